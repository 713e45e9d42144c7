"""Metrics: numbers for people, added up over batches on the device."""

from learnkit.metrics.base import Metric
from learnkit.metrics.classification import Accuracy
from learnkit.metrics.regression import MAE, R2, RMSE
from learnkit.metrics.units import InOriginalUnits

__all__ = ["MAE", "R2", "RMSE", "Accuracy", "InOriginalUnits", "Metric"]
