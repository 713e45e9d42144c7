"""Losses: the number that training makes small.

==============  =====================================================================================
numbers         MSE, MAE, Huber, SmoothL1, LogCosh, MSLE, MAPE, Quantile; PoissonNLL, GaussianNLL
classes         CrossEntropy, WeightedCrossEntropy, NLL, Focal; MultiMargin, CategoricalHinge
yes or no       BinaryCrossEntropy, BinaryFocal; Hinge, SquaredHinge
distributions   KLDivergence, JSDivergence
regions         Dice, IoU, Tversky, FocalTversky
comparisons     Contrastive, Triplet, MarginRanking, CosineEmbedding, NTXent
sequences       CTC
==============  =====================================================================================

``suggest(task, y)`` says which to take and why.
"""

from learnkit.losses.base import ElementwiseLoss, Loss
from learnkit.losses.binary import BinaryCrossEntropy, BinaryFocal
from learnkit.losses.classification import NLL, CrossEntropy, WeightedCrossEntropy
from learnkit.losses.contrast import NTXent
from learnkit.losses.ctc import CTC, ctc_loss
from learnkit.losses.divergence import JSDivergence, KLDivergence
from learnkit.losses.focal import Focal
from learnkit.losses.likelihood import GaussianNLL, PoissonNLL, gaussian_nll
from learnkit.losses.margin import CategoricalHinge, Hinge, MultiMargin, SquaredHinge
from learnkit.losses.metric import (
    Contrastive,
    CosineEmbedding,
    MarginRanking,
    Triplet,
    contrastive,
    cosine_embedding,
    margin_ranking,
    triplet_margin,
)
from learnkit.losses.regression import MAE, MAPE, MSE, MSLE, Huber, LogCosh, Quantile, SmoothL1
from learnkit.losses.segmentation import Dice, FocalTversky, IoU, Tversky
from learnkit.losses.suggestion import Suggestion, suggest

__all__ = [
    "CTC",
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "NLL",
    "BinaryCrossEntropy",
    "BinaryFocal",
    "CategoricalHinge",
    "Contrastive",
    "CosineEmbedding",
    "CrossEntropy",
    "Dice",
    "ElementwiseLoss",
    "Focal",
    "FocalTversky",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "IoU",
    "JSDivergence",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MarginRanking",
    "MultiMargin",
    "NTXent",
    "PoissonNLL",
    "Quantile",
    "SmoothL1",
    "SquaredHinge",
    "Suggestion",
    "Triplet",
    "Tversky",
    "WeightedCrossEntropy",
    "contrastive",
    "cosine_embedding",
    "ctc_loss",
    "gaussian_nll",
    "margin_ranking",
    "suggest",
    "triplet_margin",
]
