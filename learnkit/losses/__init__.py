"""Losses: the number that training makes small."""

from learnkit.losses.base import Loss
from learnkit.losses.classification import BinaryCrossEntropy, CrossEntropy
from learnkit.losses.regression import MAE, MSE

__all__ = ["MAE", "MSE", "BinaryCrossEntropy", "CrossEntropy", "Loss"]
