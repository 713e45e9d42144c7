"""Training: the trainer, its loop, callbacks, history and saved runs."""

from learnkit.training.callbacks import Callback, EarlyStopping
from learnkit.training.history import EpochReport, History, StepReport
from learnkit.training.trainer import Trainer

__all__ = ["Callback", "EarlyStopping", "EpochReport", "History", "StepReport", "Trainer"]
