"""What an augmentation is, and several in a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import array_api_compat

from learnkit.backends.base import Array, array_namespace, kernels_of
from learnkit.errors import ArgumentError
from learnkit.plugins import registry

__all__ = ["Augmentation", "Compose", "augmentation", "normal", "uniform"]

#: Between the seeds of augmentations in a row: 2**64 divided by the golden ratio, so that none meet.
_APART = 0x9E3779B97F4A7C15


class Augmentation:
    """Base of augmentations: a frozen dataclass of its options, whose ``__call__`` is standard array code.

    What an author writes is ``__call__``, or ``rows`` where targets change too. Both are pure functions of
    their arguments, and change none of them.

    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> @dataclass(frozen=True)
    ... class Negative(Augmentation):
    ...     def __call__(self, x, *, seed, step):
    ...         return -x
    >>> Negative().rows(np.ones(2), None, None, seed=0, step=0)[0].tolist()
    [-1.0, -1.0]
    """

    def __call__(self, x: Array, *, seed: int, step: int) -> Array:
        """The changed features of a batch.

        Args:
            x: (n, ...), features as the model gets them.
            seed: of the run.
            step: of the training, counted from 0; each batch has its own.

        Returns:
            An array of the shape, dtype and device of ``x``.
        """
        raise ArgumentError(f"{type(self).__name__} defines no __call__(x, *, seed, step)")

    def rows(
        self, x: Array, y: Array | None, weight: Array | None, *, seed: int, step: int
    ) -> tuple[Array, Array | None, Array | None]:
        """The changed batch: features, targets and sample weights."""
        return self(x, seed=seed, step=step), y, weight

    def resolve(self, outputs: tuple[int, ...], y: Array | None) -> Self:
        """The same with what follows from the model and the training targets filled in.

        Args:
            outputs: shape of the model's output for one row.
            y: the training targets.
        """
        return self


@dataclass(frozen=True, init=False)
class Compose(Augmentation):
    """Several augmentations, one after the other; each draws numbers of its own.

    Args:
        *augmentations: components, or names with options.

    >>> Compose("jitter", "flip:shape=(8, 8)").augmentations[1].shape
    (8, 8)
    """

    augmentations: tuple[Augmentation, ...]

    def __init__(self, *augmentations: Augmentation | str | Mapping[str, Any]) -> None:
        made = tuple(_one(spec) for spec in augmentations)
        object.__setattr__(self, "augmentations", made)

    def __call__(self, x: Array, *, seed: int, step: int) -> Array:
        return self.rows(x, None, None, seed=seed, step=step)[0]

    def rows(
        self, x: Array, y: Array | None, weight: Array | None, *, seed: int, step: int
    ) -> tuple[Array, Array | None, Array | None]:
        for i, one in enumerate(self.augmentations):
            x, y, weight = one.rows(x, y, weight, seed=(seed + i * _APART) % 2**64, step=step)
        return x, y, weight

    def resolve(self, outputs: tuple[int, ...], y: Array | None) -> Compose:
        return Compose(*(one.resolve(outputs, y) for one in self.augmentations))


def augmentation(spec: Any) -> Augmentation:
    """The augmentation that was given as an object, a class, a function, a name, or a list of them.

    Raises:
        ArgumentError: it is none of these; UnknownNameError for an unknown name.

    >>> augmentation("jitter:std=0.1")
    Jitter(std=0.1)
    """
    if isinstance(spec, Sequence) and not isinstance(spec, str):
        return _one(spec[0]) if len(spec) == 1 else Compose(*spec)
    return _one(spec)


def _one(spec: Any) -> Augmentation:
    made = registry.create("augmentation", spec)
    if not isinstance(made, Augmentation):
        raise ArgumentError(
            f"augmentation {spec!r} is {type(made).__name__}, expected an Augmentation or a name: "
            f"{', '.join(registry.names('augmentation'))}"
        )
    return made


def uniform(x: Array, shape: tuple[int, ...], *, seed: int, stream: int, step: int) -> Array:
    """Uniform numbers in [0, 1) of the dtype and device of ``x``."""
    return _drawn(x, kernels_of(x).random_uniform, shape, seed, stream, step)


def normal(x: Array, shape: tuple[int, ...], *, seed: int, stream: int, step: int) -> Array:
    """Standard normal numbers of the dtype and device of ``x``."""
    return _drawn(x, kernels_of(x).random_normal, shape, seed, stream, step)


def _drawn(x: Array, draw: Any, shape: tuple[int, ...], seed: int, stream: int, step: int) -> Array:
    xp = array_namespace(x)
    dtype = "float64" if x.dtype == xp.float64 else "float32"
    device = array_api_compat.device(x)
    values = draw(shape, seed=seed, stream=stream, step=step, device=device, dtype=dtype)
    return xp.astype(values, x.dtype, copy=False)
