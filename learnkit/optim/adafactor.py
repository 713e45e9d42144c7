"""Adafactor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import array_api_compat

from learnkit.backends.base import Array, array_namespace
from learnkit.checks import at_least as check_at_least
from learnkit.errors import ArgumentError
from learnkit.optim.base import Optimizer, check_in
from learnkit.optim.parts import Hyper, at_least, check_choice, check_fields, check_flags, decayed, rms
from learnkit.schedules.base import Schedule

__all__ = ["Adafactor"]


@dataclass(frozen=True)
class Adafactor(Optimizer):
    """Adafactor: Adam's second moment of a matrix from one number a row and one a column. PyTorch's form.

    ::

        fresh = t^beta2_decay
        alpha = max(eps[1], RMS(theta)) min(lr, 1 / sqrt(t))
        theta = theta (1 - lr weight_decay)
        matrices (over the last two axes):
            row = (1 - fresh) row + fresh mean of grad^2 over columns
            col = (1 - fresh) col + fresh mean of grad^2 over rows
            V = row col / max(mean(row), eps[0])
        vectors:
            V = (1 - fresh) V + fresh grad^2
        u = grad / max(sqrt(V), eps[0])
        theta = theta - alpha u / max(1, RMS(u) / d)

    Args:
        lr: > 0, or a schedule; default 1e-2: the largest relative step, and the rate of the decay.
        beta2_decay: < 0, default -0.8.
        eps: (eps1, eps2); eps1 > 0 or ``None``, eps2 >= 0; default (None, 1e-3). ``None`` is the machine
            epsilon of the dtype, and 1e-30 with ``eps_placement="square"``.
        d: threshold of the clipping of u, >= 1, or ``None`` for no clipping; default 1.0.
        weight_decay: decoupled, >= 0, default 0.
        relative_step: ``min(lr, 1 / sqrt(t))`` as above; if false, lr itself, as in Optax.
        scale_parameter: the factor ``max(eps2, RMS(theta))``.
        eps_placement: ``"floor"`` as above; or ``"square"``: eps1 is added to grad^2 instead, as in the
            paper and in Optax.
        min_dim_size_to_factor: matrices with a side smaller than this keep a full V; default 1, so that
            all are factored. Optax takes 128.

    Raises:
        ArgumentError: a value is out of range.

    Source: Shazeer and Stern 2018, arXiv:1804.04235, with lr and eps1 as PyTorch has them.

    >>> Adafactor(1e-3, relative_step=False, eps_placement="square").d
    1.0
    """

    slots: ClassVar[tuple[str, ...]] = ("row", "col", "v")
    elementwise: ClassVar[bool] = False

    lr: float | Schedule = 1e-2
    beta2_decay: Hyper = -0.8
    eps: tuple[Hyper, Hyper] = (None, 1e-3)
    d: Hyper = 1.0
    weight_decay: Hyper = 0.0
    relative_step: bool = True
    scale_parameter: bool = True
    eps_placement: str = "floor"
    min_dim_size_to_factor: int = 1

    def __post_init__(self) -> None:
        self.check_lr()
        check_fields(self, "(-inf, 0)", "beta2_decay")
        eps = tuple(self.eps) if isinstance(self.eps, list) else self.eps
        if not isinstance(eps, tuple) or len(eps) != 2:
            raise ArgumentError(
                f"Adafactor: eps is {self.eps!r}, expected two numbers, the first may be None"
            )
        object.__setattr__(self, "eps", eps)
        if eps[0] is not None:
            check_in("Adafactor", "eps[0]", eps[0], "(0, inf)")
        check_in("Adafactor", "eps[1]", eps[1], "[0, inf)")
        number = type(self.d) in (int, float) and 1 <= self.d < float("inf")
        if not number and self.d is not None and not isinstance(self.d, Schedule):
            raise ArgumentError(f"Adafactor: d is {self.d!r}, expected a number >= 1 or None")
        check_fields(self, "[0, inf)", "weight_decay")
        check_flags(self, "relative_step", "scale_parameter")
        check_choice(self, "eps_placement", "floor", "square")
        check_at_least("Adafactor", "min_dim_size_to_factor", self.min_dim_size_to_factor, 1)

    def _factors(self, shape: tuple[int, ...]) -> bool:
        return len(shape) > 1 and min(shape[-2:]) >= self.min_dim_size_to_factor

    def init_slots(self, theta: Array) -> tuple[Array, ...]:
        """Row and column factors for matrices, the full moment for others; what is not used is empty."""
        shape = tuple(theta.shape)
        none = (0,)
        shapes = (
            ((*shape[:-1], 1), (*shape[:-2], 1, shape[-1]), none)
            if self._factors(shape)
            else (none, none, shape)
        )
        xp, device = array_namespace(theta), array_api_compat.device(theta)
        return tuple(xp.zeros(s, dtype=theta.dtype, device=device) for s in shapes)

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        xp = array_namespace(grad)
        if 0 in theta.shape:
            return theta, *slots
        row, col, v = slots
        fresh = float(step) ** self.beta2_decay
        eps, smallest = self.eps
        square = grad * grad
        if self.eps_placement == "square":
            square = square + (1e-30 if eps is None else eps)
            eps = None
        elif eps is None:
            eps = float(xp.finfo(theta.dtype).eps)
        alpha = min(lr, 1 / step**0.5) if self.relative_step else lr
        scale = at_least(rms(theta), float(smallest)) * alpha if self.scale_parameter else alpha
        theta = decayed(theta, lr, self.weight_decay)

        if self._factors(tuple(theta.shape)):
            row = (1 - fresh) * row + fresh * xp.mean(square, axis=-1, keepdims=True)
            col = (1 - fresh) * col + fresh * xp.mean(square, axis=-2, keepdims=True)
            mean = xp.mean(row, axis=-2, keepdims=True)
            # Divided before it is multiplied: the product of two squares of 1e-15 would be none in float32.
            estimate = row / (mean if eps is None else at_least(mean, eps)) * col
        else:
            v = (1 - fresh) * v + fresh * square
            estimate = v
        root = xp.sqrt(estimate)
        u = grad / (root if eps is None else at_least(root, eps))
        if self.d is not None:
            u = u / at_least(rms(u) / self.d, 1.0)
        return theta - scale * u, row, col, v
