"""Learning rates, and any other hyper-parameter, as functions of the step."""

from learnkit.schedules.base import Schedule
from learnkit.schedules.cyclic import OneCycle
from learnkit.schedules.decay import Constant, Cosine

__all__ = ["Constant", "Cosine", "OneCycle", "Schedule"]
