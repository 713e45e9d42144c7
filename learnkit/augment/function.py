"""A function ``f(x, *, seed, step, ...)`` as an augmentation."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from learnkit.augment.base import Augmentation
from learnkit.backends.base import Array
from learnkit.plugins.functions import FunctionComponent, dataclass_of

__all__ = ["FunctionAugmentation"]


@dataclass(frozen=True)
class FunctionAugmentation(FunctionComponent, Augmentation):
    """Base of the augmentations that are made of functions; see :mod:`learnkit.plugins.functions`.

    The function returns the changed features. What it draws follows from ``seed`` and ``step``, either of
    which it may leave out.
    """

    @classmethod
    def of(cls, name: str, options: list[inspect.Parameter], namespace: dict[str, Any]) -> type:
        """The class of a function with these options."""
        return dataclass_of(cls, name, options, namespace)

    def __call__(self, x: Array, *, seed: int, step: int) -> Array:
        drawn = {"seed": seed, "step": step}
        handed = {name: drawn[name] for name in self._handed}
        return type(self)._function(x, **handed, **self._given_options())
