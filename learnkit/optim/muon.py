"""Muon."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import array_api_compat

from learnkit.backends.base import Array, array_namespace
from learnkit.errors import ArgumentError
from learnkit.optim.adam import AdamW
from learnkit.optim.base import Optimizer, check_betas
from learnkit.optim.parts import Hyper, at_least, check_choice, check_fields, check_flags, decayed, norm
from learnkit.schedules.base import Schedule

__all__ = ["Muon", "orthogonalized"]


def orthogonalized(
    x: Array,
    coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
    steps: int = 5,
    eps: float = 1e-7,
) -> Array:
    """A matrix with all singular values taken near 1, by Newton and Schulz's iteration.

    ``X = x / max(|x|, eps)``, then ``X = a X + (b A + c A A) X`` with ``A = X X^T``, on the lying matrix.
    With the coefficients here singular values end between about 0.7 and 1.2 after five steps: they are
    chosen for speed.

    Args:
        x: (n, m).
        coefficients: a, b, c.
        steps: >= 1.
        eps: smallest norm to divide by.

    Source: Jordan 2024, https://kellerjordan.github.io/posts/muon.

    >>> import numpy as np
    >>> s = np.linalg.svd(orthogonalized(np.asarray([[3.0, 1.0], [1.0, 2.0]])))[1]
    >>> bool((s > 0.6).all() and (s < 1.3).all())
    True
    """
    xp = array_namespace(x)
    a, b, c = coefficients
    upright = x.shape[0] > x.shape[1]
    x = xp.matrix_transpose(x) if upright else x
    x = x / at_least(norm(x), eps)
    for _ in range(steps):
        gram = xp.matmul(x, xp.matrix_transpose(x))
        x = a * x + xp.matmul(b * gram + c * xp.matmul(gram, gram), x)
    return xp.matrix_transpose(x) if upright else x


@dataclass(frozen=True)
class Muon(Optimizer):
    """Muon: momentum whose matrix is made orthogonal before each step, so that all directions move alike.

    ::

        matrices:
            m = momentum m + (1 - momentum) grad
            u = orthogonalized((1 - momentum) grad + momentum m)        not nesterov: of m
            theta = theta (1 - lr weight_decay) - lr ratio u
            ratio = sqrt(max(1, outputs / inputs))                      "original"
                    0.2 sqrt(max(outputs, inputs))                      "match_rms_adamw"
        all other leaves:
            AdamW, with lr fallback_lr_ratio as its learning rate

    Embeddings and the last layer of a classifier are better left to AdamW as well: by parameter groups.
    PyTorch's Muon takes matrices only, and calculates the orthogonal matrix in bfloat16; this one in the
    dtype of theta.

    Args:
        lr: > 0, or a schedule; default 1e-3.
        weight_decay: of matrices, decoupled, >= 0, default 0.1.
        momentum: in [0, 1), default 0.95.
        nesterov: default true.
        ns_coefficients: three numbers, see :func:`orthogonalized`.
        eps: > 0, default 1e-7.
        ns_steps: number of steps of the iteration, 1 to 99, default 5.
        adjust_lr_fn: ``"original"`` or ``"match_rms_adamw"``; ``None`` is the first.
        output_axis: the axis of a matrix that counts outputs: -1, the last one, as for the layers of
            this library (``x W``); or 0, as for PyTorch's (``x W^T``).
        fallback_lr_ratio: > 0, default 1.0.
        fallback_betas, fallback_eps, fallback_weight_decay: of the AdamW for other leaves; default
            (0.9, 0.999), 1e-8, 0.

    Raises:
        ArgumentError: a value is out of range.

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks";
    match_rms_adamw: Liu et al. 2025, arXiv:2502.16982.

    >>> Muon(2e-3, adjust_lr_fn="match_rms_adamw").momentum
    0.95
    """

    slots: ClassVar[tuple[str, ...]] = ("m", "v")
    elementwise: ClassVar[bool] = False

    lr: float | Schedule = 1e-3
    weight_decay: Hyper = 0.1
    momentum: Hyper = 0.95
    nesterov: bool = True
    ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315)
    eps: Hyper = 1e-7
    ns_steps: int = 5
    adjust_lr_fn: str | None = None
    output_axis: int = -1
    fallback_lr_ratio: Hyper = 1.0
    fallback_betas: tuple[Hyper, Hyper] = (0.9, 0.999)
    fallback_eps: Hyper = 1e-8
    fallback_weight_decay: Hyper = 0.0

    def __post_init__(self) -> None:
        self.check_lr()
        check_fields(self, "(0, inf)", "eps", "fallback_lr_ratio")
        check_fields(self, "[0, 1)", "momentum")
        check_fields(self, "(0, inf)", "fallback_eps")
        check_fields(self, "[0, inf)", "weight_decay", "fallback_weight_decay")
        check_flags(self, "nesterov")
        for name in ("ns_coefficients", "fallback_betas"):
            if isinstance(getattr(self, name), list):
                object.__setattr__(self, name, tuple(getattr(self, name)))
        abc = self.ns_coefficients
        if not isinstance(abc, tuple) or len(abc) != 3 or not all(type(c) in (int, float) for c in abc):
            raise ArgumentError(f"Muon: ns_coefficients is {abc!r}, expected three numbers")
        if type(self.ns_steps) is not int or not 1 <= self.ns_steps < 100:
            raise ArgumentError(f"Muon: ns_steps is {self.ns_steps!r}, expected an integer in 1 to 99")
        check_choice(self, "adjust_lr_fn", None, "original", "match_rms_adamw")
        check_choice(self, "output_axis", -1, 0)
        check_betas("Muon: fallback", self.fallback_betas)

    def init_slots(self, theta: Array) -> tuple[Array, ...]:
        """The momentum; the second moment is empty for matrices."""
        xp, device = array_namespace(theta), array_api_compat.device(theta)
        shape = (0,) if len(theta.shape) == 2 else tuple(theta.shape)
        return xp.zeros_like(theta), xp.zeros(shape, dtype=theta.dtype, device=device)

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        if len(theta.shape) != 2:
            adamw = AdamW(1.0, self.fallback_betas, self.fallback_eps, self.fallback_weight_decay)
            return adamw.update(theta, grad, *slots, lr=lr * self.fallback_lr_ratio, step=step)
        m, v = slots
        m = self.momentum * m + (1 - self.momentum) * grad
        u = (1 - self.momentum) * grad + self.momentum * m if self.nesterov else m
        u = orthogonalized(u, self.ns_coefficients, self.ns_steps, self.eps)
        return decayed(theta, lr, self.weight_decay) - lr * self._ratio(theta.shape) * u, m, v

    def _ratio(self, shape: tuple[int, ...]) -> float:
        inputs, outputs = shape if self.output_axis == -1 else shape[::-1]
        if self.adjust_lr_fn == "match_rms_adamw":
            return 0.2 * math.sqrt(max(inputs, outputs))
        return math.sqrt(max(1.0, outputs / max(inputs, 1)))
