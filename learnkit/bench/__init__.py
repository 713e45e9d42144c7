"""Measuring: training steps timed beside their peers, taking turns, each in a process of its own.

===============  ======================================================================================
``turns``        subjects take turns, round by round: medians, quartiles, ratios
``worker``       a subject in a process of its own, so that no library's threads get in another's way
``case``         what is measured: a network, a batch, an optimizer; the same start values for everybody
``steps``        a training step of learnkit, and its matrix products alone
``peers``        the same step of PyTorch, JAX and scikit-learn
``memory``       what a step allocates beyond data and parameters
``environment``  the machine and the versions that numbers were made with
===============  ======================================================================================

``learnkit bench`` and the scripts in ``tests/benchmarks`` are made of these. Nothing here is needed to train.
"""

from __future__ import annotations

from learnkit.bench.case import Case
from learnkit.bench.environment import describe, limited_to
from learnkit.bench.turns import Ratio, Times, take_turns
from learnkit.bench.worker import Worker, WorkerError

__all__ = ["Case", "Ratio", "Times", "Worker", "WorkerError", "describe", "limited_to", "take_turns"]
