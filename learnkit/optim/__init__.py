"""Optimizers, and transforms of the gradient that go in front of them."""

from learnkit.optim.accumulate import Accumulate
from learnkit.optim.adafactor import Adafactor
from learnkit.optim.adam import Adam, AdamW
from learnkit.optim.adam_variants import Adamax, NAdam, RAdam
from learnkit.optim.adaptive import Adadelta, Adagrad, RMSprop
from learnkit.optim.average import EMA, SWA
from learnkit.optim.base import Optimizer, State
from learnkit.optim.belief import AdaBelief, Adan, Yogi
from learnkit.optim.clip import AdaptiveClip, ClipByGlobalNorm, ClipByNorm, ClipByValue, global_norm
from learnkit.optim.compose import Chain, chain
from learnkit.optim.decay import L1, WeightDecay
from learnkit.optim.finite import LossScale, SkipNonFinite
from learnkit.optim.grouping import Groups, groups, no_decay
from learnkit.optim.layerwise import LAMB, LARS, NovoGrad
from learnkit.optim.lbfgs import LBFGS
from learnkit.optim.lookahead import Lookahead
from learnkit.optim.muon import Muon, orthogonalized
from learnkit.optim.noise import Centralize, GradientNoise
from learnkit.optim.prodigy import Prodigy
from learnkit.optim.sam import SAM
from learnkit.optim.schedule_free import ScheduleFreeAdamW, ScheduleFreeSGD
from learnkit.optim.sgd import ASGD, SGD, Momentum, Nesterov
from learnkit.optim.sign import Lion, Rprop
from learnkit.optim.transforms import Moment, Transform

__all__ = [
    "ASGD",
    "Accumulate",
    "AdaBelief",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Adan",
    "AdaptiveClip",
    "Centralize",
    "Chain",
    "ClipByGlobalNorm",
    "ClipByNorm",
    "ClipByValue",
    "EMA",
    "GradientNoise",
    "Groups",
    "L1",
    "LAMB",
    "LARS",
    "LBFGS",
    "Lion",
    "Lookahead",
    "LossScale",
    "Moment",
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
    "SAM",
    "SGD",
    "SWA",
    "ScheduleFreeAdamW",
    "ScheduleFreeSGD",
    "SkipNonFinite",
    "State",
    "Transform",
    "WeightDecay",
    "Yogi",
    "chain",
    "global_norm",
    "groups",
    "no_decay",
    "orthogonalized",
]
