"""The functions of the standard that have a gradient, each with its rule beside it."""
