"""Metrics: numbers for people, added up over batches on the device."""

from learnkit.metrics.averaging import (
    F1,
    BalancedAccuracy,
    Dice,
    FBeta,
    IoU,
    Precision,
    Recall,
    Specificity,
)
from learnkit.metrics.base import Metric
from learnkit.metrics.classification import Accuracy, TopKAccuracy
from learnkit.metrics.matrix import MCC, CohenKappa, ConfusionMatrix
from learnkit.metrics.probability import Brier, CalibrationError, LogLoss, Perplexity
from learnkit.metrics.ranking import ROCAUC, AveragePrecision
from learnkit.metrics.regression import MAE, MAPE, MSE, MSLE, RMSE, RMSLE
from learnkit.metrics.units import InOriginalUnits
from learnkit.metrics.variance import R2, ExplainedVariance

__all__ = [
    "F1",
    "MAE",
    "MAPE",
    "MCC",
    "MSE",
    "MSLE",
    "R2",
    "RMSE",
    "RMSLE",
    "ROCAUC",
    "Accuracy",
    "AveragePrecision",
    "BalancedAccuracy",
    "Brier",
    "CalibrationError",
    "CohenKappa",
    "ConfusionMatrix",
    "Dice",
    "ExplainedVariance",
    "FBeta",
    "InOriginalUnits",
    "IoU",
    "LogLoss",
    "Metric",
    "Perplexity",
    "Precision",
    "Recall",
    "Specificity",
    "TopKAccuracy",
]
