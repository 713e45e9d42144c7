"""Optimizers, and transforms of the gradient that go in front of them."""

from learnkit.optim.adafactor import Adafactor
from learnkit.optim.adam import Adam, AdamW
from learnkit.optim.adam_variants import AdaBelief, Adamax, Adan, NAdam, RAdam, Yogi
from learnkit.optim.adaptive import Adadelta, Adagrad, RMSprop
from learnkit.optim.base import Optimizer, State
from learnkit.optim.layerwise import LAMB, LARS, NovoGrad
from learnkit.optim.muon import Muon, orthogonalized
from learnkit.optim.prodigy import Prodigy
from learnkit.optim.schedule_free import ScheduleFreeAdamW, ScheduleFreeSGD
from learnkit.optim.sgd import ASGD, SGD, Momentum, Nesterov
from learnkit.optim.sign import Lion, Rprop
from learnkit.optim.transforms import Chain, ClipByGlobalNorm, Transform, chain, global_norm

__all__ = [
    "ASGD",
    "AdaBelief",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Adan",
    "Chain",
    "ClipByGlobalNorm",
    "LAMB",
    "LARS",
    "Lion",
    "Momentum",
    "Muon",
    "NAdam",
    "Nesterov",
    "NovoGrad",
    "Optimizer",
    "Prodigy",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
    "ScheduleFreeAdamW",
    "ScheduleFreeSGD",
    "State",
    "Transform",
    "Yogi",
    "chain",
    "global_norm",
    "orthogonalized",
]
