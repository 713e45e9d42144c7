"""Transforms of the gradient, and ``chain``, which puts them in front of an optimizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from learnkit.backends.base import Array, array_namespace
from learnkit.errors import ArgumentError
from learnkit.optim.base import Optimizer, State
from learnkit.schedules.base import positive

__all__ = ["Chain", "ClipByGlobalNorm", "Transform", "chain", "global_norm"]


@dataclass(frozen=True)
class Transform:
    """Base of transforms: a frozen dataclass that maps the gradients of all leaves to new ones."""

    def transform(self, grads: list[Array]) -> list[Array]:
        """New gradients for all leaves; the given ones are left as they are."""
        raise TypeError(f"{type(self).__name__} defines no transform(self, grads)")


def global_norm(grads: list[Array]) -> Array:
    """The Euclidean norm of all gradients together, a 0-d array on their device."""
    xp = array_namespace(*grads)
    total: Any = None
    for g in grads:
        flat = g if len(g.shape) == 1 else xp.reshape(g, (-1,))
        square = xp.vecdot(flat, flat)
        total = square if total is None else total + square
    return xp.sqrt(total)


@dataclass(frozen=True)
class ClipByGlobalNorm(Transform):
    """Scales all gradients by ``min(1, max_norm / norm)``, with the norm over all of them together.

    Exactly so, without the 1e-6 that PyTorch adds to the norm. A gradient that is not finite stays so.
    Nothing waits for the device.

    Args:
        max_norm: > 0.

    Raises:
        ArgumentError: ``max_norm`` is out of range.

    Source: Pascanu, Mikolov and Bengio 2013, arXiv:1211.5063.

    >>> import numpy as np
    >>> ClipByGlobalNorm(1.0).transform([np.asarray([3.0]), np.asarray([4.0])])
    [array([0.6]), array([0.8])]
    """

    max_norm: float = 1.0

    def __post_init__(self) -> None:
        positive("ClipByGlobalNorm", "max_norm", self.max_norm)

    def transform(self, grads: list[Array]) -> list[Array]:
        if not grads:
            return grads
        xp = array_namespace(*grads)
        norm = global_norm(grads)
        factor = self.max_norm / xp.maximum(norm, xp.full_like(norm, self.max_norm))
        return [g * xp.astype(factor, g.dtype, copy=False) for g in grads]  # leaves may differ in dtype


@dataclass(frozen=True)
class Chain(Optimizer):
    """Transforms, one after another, in front of a rule; made by :func:`chain`."""

    transforms: tuple[Transform, ...] = ()
    rule: Optimizer = None  # type: ignore[assignment]

    elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "transforms", tuple(self.transforms))
        for t in self.transforms:
            if not isinstance(t, Transform):
                raise ArgumentError(f"chain: {t!r} is not a Transform; the optimizer comes last")
        if not isinstance(self.rule, Optimizer):
            raise ArgumentError(f"chain: the last part is {self.rule!r}, expected an Optimizer")

    @property
    def lr(self) -> Any:
        """The rule's learning rate."""
        return getattr(self.rule, "lr")  # noqa: B009

    def slot_names(self) -> tuple[str, ...]:
        return self.rule.slot_names()

    def apply_leaves(
        self, leaves: list[Array], gradients: list[Array], state: State
    ) -> tuple[list[Array], dict[str, list[Array]]]:
        for t in self.transforms:
            gradients = t.transform(gradients)
        return self.rule.apply_leaves(leaves, gradients, state)

    def resolve(self, total_steps: int) -> Self:
        return type(self)(self.transforms, self.rule.resolve(total_steps))


def chain(*parts: Transform | Optimizer) -> Chain:
    """Transforms followed by one optimizer, as one optimizer.

    Raises:
        ArgumentError: the last part is no optimizer, or one before it is no transform.

    >>> from learnkit.optim import AdamW
    >>> chain(ClipByGlobalNorm(1.0), AdamW(3e-4)).lr
    0.0003
    """
    if not parts:
        raise ArgumentError("chain needs at least an optimizer")
    return Chain(parts[:-1], parts[-1])  # type: ignore[arg-type]
