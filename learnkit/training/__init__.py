"""Training: the trainer, its loop, callbacks, history and saved runs."""

from learnkit.training.callbacks import Callback, EarlyStopping
from learnkit.training.history import EpochReport, History, StepReport
from learnkit.training.keeping import ModelCheckpoint
from learnkit.training.lr_finder import LRCurve, find_lr
from learnkit.training.profiling import Profile, profile
from learnkit.training.trainer import Trainer

__all__ = [
    "Callback",
    "EarlyStopping",
    "EpochReport",
    "History",
    "LRCurve",
    "ModelCheckpoint",
    "Profile",
    "StepReport",
    "Trainer",
    "find_lr",
    "profile",
]
