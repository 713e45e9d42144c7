"""Augmentations: random changes to the rows of a training batch, so that a model learns what does not matter.

They are made in training only, on the device, and drawn from (seed, step): a run repeats, and one that was
resumed goes on exactly. A trainer takes them as ``Trainer(..., augment="flip:shape=(8, 8)")``, several as a
list, and ``learnkit train`` as ``--augment``.
"""

from __future__ import annotations

from learnkit.augment.base import Augmentation, Compose, augmentation
from learnkit.augment.images import RandomFlip, RandomShift
from learnkit.augment.mixing import Mixup
from learnkit.augment.noise import Jitter

__all__ = ["Augmentation", "Compose", "Jitter", "Mixup", "RandomFlip", "RandomShift", "augmentation"]
