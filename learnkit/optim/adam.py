"""Adam and AdamW."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from learnkit.backends.base import Array, array_namespace
from learnkit.errors import ArgumentError
from learnkit.optim.base import Optimizer
from learnkit.optim.parts import Hyper, check_betas, check_choice, check_fields, peak_of, penalised
from learnkit.schedules.base import Schedule

__all__ = ["Adam", "AdamW"]


def _adam_step(
    grad: Array,
    slots: tuple[Array, ...],
    betas: tuple[float, float],
    eps: float,
    lr: float,
    step: int,
    *,
    hat: bool = False,
    corrected: bool = False,
) -> tuple[Array, ...]:
    """``lr m_hat / (sqrt(v_hat) + eps)`` and the new slots; the corrections are host numbers."""
    xp = array_namespace(grad)
    m, v, *largest = slots
    b1, b2 = betas
    # In place on arrays that are new here: the same numbers as in one formula, from half the memory.
    m = b1 * m
    m += (1 - b1) * grad
    square = grad * grad
    square *= 1 - b2
    v = b2 * v
    v += square
    correction, root_correction = 1 - b1**step, (1 - b2**step) ** 0.5
    denominator = v
    if largest:  # AMSGrad
        if corrected:
            denominator, root_correction = v / (1 - b2**step), 1.0
        denominator = xp.maximum(largest[0], denominator)
        largest = [denominator]
    root = xp.sqrt(denominator)
    if hat:
        root += eps
        lr *= root_correction
    else:
        root /= root_correction
        root += eps
    move = (lr / correction) * m
    move /= root
    return move, m, v, *largest


def _check(rule: Any) -> None:
    """The fields that Adam and AdamW share."""
    rule.check_lr()
    check_betas(rule)
    check_fields(rule, "(0, inf)", "eps")
    check_choice(rule, "amsgrad", False, True, "corrected")
    check_choice(rule, "eps_placement", "outside", "hat")
    if rule.amsgrad == "corrected" and rule.eps_placement == "hat":
        raise ArgumentError(
            f"{type(rule).__name__}: eps_placement='hat' with amsgrad='corrected'",
            hint="'hat' adds epsilon before the correction, which is done by then: write amsgrad=True",
        )


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam, with epsilon outside the root, as in PyTorch and in the paper's algorithm 1.

    ::

        g = grad + l2 theta
        m = b1 m + (1 - b1) g                m_hat = m / (1 - b1^t)
        v = b2 v + (1 - b2) g^2              v_hat = v / (1 - b2^t)
        theta = theta - lr m_hat / (sqrt(v_hat) + eps)

    Args:
        lr: > 0, or a schedule; default 1e-3.
        betas: decay rates of the two moments, in [0, 1); default (0.9, 0.999).
        eps: > 0, default 1e-8.
        l2: penalty that enters the gradient, >= 0, default 0. PyTorch calls it ``weight_decay``; the
            decay that deserves the name is that of :class:`AdamW`.
        amsgrad: divide by the root of the largest v so far. ``True`` takes the largest v and corrects
            that, as PyTorch and Keras do; ``"corrected"`` takes the largest v_hat, as Optax does.
        eps_placement: ``"outside"`` as above, or ``"hat"`` for Keras and Chainer, where epsilon is added
            to the root before its correction: ``lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps)``.

    Raises:
        ArgumentError: a value is out of range.

    Source: Kingma and Ba 2015, arXiv:1412.6980; AMSGrad: Reddi, Kale and Kumar 2018, arXiv:1904.09237.

    >>> Adam()
    Adam(lr=0.001, betas=(0.9, 0.999), eps=1e-08, l2=0.0, amsgrad=False, eps_placement='outside')
    """

    slots: ClassVar[tuple[str, ...]] = ("m", "v")

    lr: float | Schedule = 1e-3
    betas: tuple[Hyper, Hyper] = (0.9, 0.999)
    eps: Hyper = 1e-8
    l2: Hyper = 0.0
    amsgrad: bool | str = False
    eps_placement: str = "outside"

    def __post_init__(self) -> None:
        _check(self)
        check_fields(self, "[0, inf)", "l2")

    def slot_names(self) -> tuple[str, ...]:
        return (*self.slots, "v_max") if self.amsgrad else self.slots

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        g = penalised(grad, theta, self.l2)
        hat, corrected = self.eps_placement == "hat", self.amsgrad == "corrected"
        move, *new = _adam_step(g, slots, self.betas, self.eps, lr, step, hat=hat, corrected=corrected)
        return theta - move, *new


@dataclass(frozen=True)
class AdamW(Optimizer):
    """Adam with decoupled weight decay, PyTorch's form: the decay is multiplied by lr.

    ::

        theta = theta (1 - lr weight_decay)
        then as Adam

    Args:
        lr: > 0, or a schedule; default 1e-3.
        betas: in [0, 1); default (0.9, 0.999).
        eps: > 0, default 1e-8.
        weight_decay: >= 0, default 1e-2; acts on all parameters, biases too, as in PyTorch.
        amsgrad, eps_placement: as in :class:`Adam`.
        decay_coupling: what the decay is multiplied by. ``"lr"``: the learning rate of the step, as
            above. ``"schedule"``: the multiplier of the schedule alone, lr over its largest value, which
            is the paper's form, so that a plain number as lr gives ``theta (1 - weight_decay)``.
            ``"none"``: by nothing, ``theta (1 - weight_decay)`` whatever the schedule does. The last two
            want a weight_decay smaller by a factor lr.

    Raises:
        ArgumentError: a value is out of range; the base of a schedule cannot be told, which
            ``decay_coupling="schedule"`` needs.

    Source: Loshchilov and Hutter 2019, "Decoupled weight decay regularization", arXiv:1711.05101,
    whose own form multiplies the decay by the schedule only and not by the base learning rate.

    >>> AdamW(3e-4, decay_coupling="none", weight_decay=1e-5).weight_decay
    1e-05
    """

    slots: ClassVar[tuple[str, ...]] = ("m", "v")

    lr: float | Schedule = 1e-3
    betas: tuple[Hyper, Hyper] = (0.9, 0.999)
    eps: Hyper = 1e-8
    weight_decay: Hyper = 1e-2
    amsgrad: bool | str = False
    eps_placement: str = "outside"
    decay_coupling: str = "lr"

    def __post_init__(self) -> None:
        _check(self)
        check_fields(self, "[0, inf)", "weight_decay")
        check_choice(self, "decay_coupling", "lr", "schedule", "none")
        if self.decay_coupling == "schedule":
            peak_of(self.lr)

    def slot_names(self) -> tuple[str, ...]:
        return (*self.slots, "v_max") if self.amsgrad else self.slots

    def update(self, theta: Array, grad: Array, *slots: Array, lr: float, step: int) -> tuple[Array, ...]:
        if self.weight_decay != 0:
            theta = theta * (1 - self._coupling(lr) * self.weight_decay)
        hat, corrected = self.eps_placement == "hat", self.amsgrad == "corrected"
        move, *new = _adam_step(grad, slots, self.betas, self.eps, lr, step, hat=hat, corrected=corrected)
        return theta - move, *new

    def _coupling(self, lr: float) -> float:
        if self.decay_coupling == "lr":
            return lr
        return lr / peak_of(self.lr) if self.decay_coupling == "schedule" else 1.0
