"""Compiled programs for NumPy arrays, and the threads that run them. Needs the extra ``fast``."""
