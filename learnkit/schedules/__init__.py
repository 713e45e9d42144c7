"""Learning rates, and any other hyper-parameter, as functions of the step."""

from learnkit.schedules.base import Schedule
from learnkit.schedules.chart import Chart, plot
from learnkit.schedules.compose import Join, Lambda, Product
from learnkit.schedules.cyclic import Cyclic, OneCycle
from learnkit.schedules.decay import Cosine, Exponential, InverseSqrt, InverseTime, Linear, Polynomial
from learnkit.schedules.levels import Constant, MultiStep, Step
from learnkit.schedules.plateau import ReduceOnPlateau
from learnkit.schedules.restarts import CosineWarmRestarts
from learnkit.schedules.warmup import WSD, FlatCosine, Noam, Warmup

__all__ = [
    "Chart",
    "Constant",
    "Cosine",
    "CosineWarmRestarts",
    "Cyclic",
    "Exponential",
    "FlatCosine",
    "InverseSqrt",
    "InverseTime",
    "Join",
    "Lambda",
    "Linear",
    "MultiStep",
    "Noam",
    "OneCycle",
    "Polynomial",
    "Product",
    "ReduceOnPlateau",
    "Schedule",
    "Step",
    "WSD",
    "Warmup",
    "plot",
]
