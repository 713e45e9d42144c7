"""Connectionist temporal classification: sequences without an alignment."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, ClassVar

import array_api_compat

from learnkit.autodiff.rules import layers
from learnkit.backends.base import Array, array_namespace
from learnkit.checks import check_flag, check_integer
from learnkit.errors import DataError, ShapeError
from learnkit.losses.base import Loss, as_mask, hide
from learnkit.losses.host import value_range

__all__ = ["CTC", "ctc_loss"]

#: Stands for log 0: minus infinity would make NaN of the difference of two of them.
_LOG_ZERO = -1e30


def ctc_loss(
    log_probs: Array,
    targets: Array,
    input_lengths: Array,
    target_lengths: Array,
    *,
    blank: int = 0,
    zero_infinity: bool = False,
) -> Array:
    """:class:`CTC` with all lengths given: the loss of each sequence, (batch,).

    The forward algorithm on logarithms over the extended labels ``blank l1 blank l2 ... blank``::

        a_t(s) = log p_t(l'_s) + log(exp a_(t-1)(s) + exp a_(t-1)(s-1) + exp a_(t-1)(s-2))

    the last term where ``l'_s`` is no blank and differs from ``l'_(s-2)``. Gradients of any order follow.

    Args:
        log_probs: (batch, time, classes), normalised along the last axis. (PyTorch has the time first.)
        targets: integers (batch, length), padded with anything beyond ``target_lengths``.
        input_lengths, target_lengths: integers (batch,).
        blank, zero_infinity: as for the class.

    Raises:
        ShapeError: the shapes do not fit.

    >>> import numpy as np
    >>> p = np.log(np.full((1, 2, 2), 0.5))  # of the four paths, three spell "1": 01, 10, 11
    >>> ctc_loss(p, np.asarray([[1]]), np.asarray([2]), np.asarray([1])).round(6)
    array([0.287682])
    """
    shape, wanted = tuple(log_probs.shape), tuple(targets.shape)
    n = shape[0] if shape else 0
    lengths = (tuple(input_lengths.shape), tuple(target_lengths.shape))
    if len(shape) != 3 or len(wanted) != 2 or wanted[0] != n or lengths != ((n,), (n,)):
        raise ShapeError(
            f"ctc: log_probs has shape {shape}, targets {wanted}, lengths {lengths[0]} and {lengths[1]}; "
            "expected (batch, time, classes), (batch, length), (batch,) and (batch,)"
        )
    xp = array_namespace(log_probs)
    plain: Any = array_namespace(targets)
    home = array_api_compat.device(log_probs)
    device = array_api_compat.device(targets)
    time, classes = shape[1], shape[2]
    length = wanted[1]
    states = 2 * length + 1

    inside = plain.less(
        plain.expand_dims(plain.arange(length, dtype=plain.int64, device=device), axis=0),
        plain.expand_dims(plain.astype(target_lengths, plain.int64, copy=False), axis=1),
    )
    labels = plain.astype(targets, plain.int64, copy=False)
    labels = plain.where(inside, labels, plain.full_like(labels, blank))
    extended = plain.reshape(plain.stack([plain.full_like(labels, blank), labels], axis=2), (n, 2 * length))
    extended = plain.concat([extended, plain.full((n, 1), blank, dtype=plain.int64, device=device)], axis=1)
    may_skip = _may_skip(plain, extended, blank, device)

    index = plain.broadcast_to(plain.expand_dims(extended, axis=1), (n, time, states))
    if classes == 0 or n == 0:
        emitted = xp.zeros((n, time, states), dtype=log_probs.dtype, device=home)
    else:
        emitted = xp.take_along_axis(log_probs, index, axis=2)
    # Held above "log 0", so that -inf from a softmax neither makes NaN nor beats it.
    low = xp.full_like(emitted, _LOG_ZERO)
    emitted = xp.where(xp.greater(emitted, _LOG_ZERO), emitted, low)
    like = emitted[:, 0, :] if time else xp.zeros((n, states), dtype=log_probs.dtype, device=home)
    position = plain.expand_dims(plain.arange(states, dtype=plain.int64, device=device), axis=0)
    zero = xp.full_like(like, _LOG_ZERO)
    # Before the first step all weight lies on a state before the first blank.
    alpha = xp.where(plain.less(position, 2), like, zero) if time else zero
    column = xp.full((n, 1), _LOG_ZERO, dtype=log_probs.dtype, device=home)
    last = plain.astype(input_lengths, plain.int64, copy=False)
    for t in range(1, time):
        one = xp.concat([column, alpha[:, : states - 1]], axis=1)
        two = xp.concat([column, column, alpha[:, : max(states - 2, 0)]], axis=1)[:, :states]
        reached = xp.logaddexp(xp.logaddexp(alpha, one), xp.where(may_skip, two, zero))
        running = plain.expand_dims(plain.greater(last, t), axis=1)
        alpha = xp.where(running, xp.add(reached, emitted[:, t, :]), alpha)

    end = plain.expand_dims(plain.multiply(2, plain.astype(target_lengths, plain.int64, copy=False)), axis=1)
    final = plain.equal(position, end)
    before = plain.equal(position, plain.subtract(end, 1))
    at_end = xp.sum(xp.where(final, alpha, xp.zeros_like(alpha)), axis=1)
    at_last = xp.sum(xp.where(before, alpha, xp.zeros_like(alpha)), axis=1)
    some = plain.greater(target_lengths, 0)
    at_last = xp.where(some, at_last, xp.full_like(at_last, _LOG_ZERO))
    loss = xp.negative(xp.logaddexp(at_end, at_last))
    # No frames: the empty target is certain and any other impossible.
    started = plain.greater(last, 0)
    loss = xp.where(started, loss, xp.full_like(loss, -_LOG_ZERO))
    loss = xp.where(
        plain.logical_and(plain.logical_not(started), plain.logical_not(some)), xp.zeros_like(loss), loss
    )
    possible = xp.less(loss, -0.1 * _LOG_ZERO)
    other = 0.0 if zero_infinity else math.inf
    return xp.where(possible, loss, xp.full_like(loss, other))


def _may_skip(plain: Any, extended: Array, blank: int, device: Any) -> Array:
    """Whether a state may be reached from two before: a label other than the one before it."""
    n, states = extended.shape
    if states < 3:
        return plain.zeros((n, states), dtype=plain.bool, device=device)
    differs = plain.logical_and(
        plain.not_equal(extended[:, 2:], blank), plain.not_equal(extended[:, 2:], extended[:, : states - 2])
    )
    return plain.concat([plain.zeros((n, 2), dtype=plain.bool, device=device), differs], axis=1)


@dataclass(frozen=True)
class CTC(Loss):
    """Connectionist temporal classification: ``-log sum_paths prod_t p_t(path_t)``, over the paths that,
    less repetitions and then less blanks, spell the target.

    The mean divides the loss of each sequence by the length of its target (at least 1) and then takes the
    mean over the batch, as in PyTorch; ``reduction="sum"`` and ``"none"`` do not divide.

    Args:
        blank: the class number of the blank; default 0.
        zero_infinity: give targets that cannot be spelled in so few steps the loss 0 and not infinity; the
            gradient is 0 either way. Default ``False``.
        from_logits: whether y_pred holds logits (default) or normalised log-probabilities.

    Args (of the call):
        y_pred: (batch, time, classes).
        y_true: integers (batch, length), padded with negative numbers, such as -1.
        mask: (batch, time), true for the steps of each sequence, of which there may be none after the first
            false one. Or (batch,): which sequences count.

    Raises:
        ShapeError: the shapes do not fit.

    Source: Graves et al. 2006, "Connectionist temporal classification"; PyTorch's CTCLoss. :func:`ctc_loss`
    takes the lengths apart.

    >>> import numpy as np
    >>> loss = CTC()
    >>> float(loss(np.zeros((1, 2, 2)), np.asarray([[1, -1]])).round(6))  # 3 of 4 paths spell "1"
    0.287682
    """

    label: ClassVar[str] = "ctc"
    blank: int = 0
    zero_infinity: bool = False
    from_logits: bool = dataclasses.field(default=True, kw_only=True)

    def check_options(self) -> None:
        check_integer("CTC", "blank", self.blank, least=0)
        check_flag("CTC", "zero_infinity", self.zero_infinity)
        check_flag("CTC", "from_logits", self.from_logits)

    def per_example(self, y_pred: Array, y_true: Array) -> Array:
        return self.terms(y_pred, y_true)[0]

    def terms(self, y_pred: Array, y_true: Array, mask: Array | None = None) -> tuple[Array, Array | None]:
        shape, wanted = tuple(y_pred.shape), tuple(y_true.shape)
        plain: Any = array_namespace(y_true)
        if (
            len(shape) != 3
            or len(wanted) != 2
            or wanted[0] != shape[0]
            or not plain.isdtype(y_true.dtype, "integral")
        ):
            raise ShapeError(
                f"ctc: y_pred has shape {shape} and y_true {wanted} of {y_true.dtype}, expected "
                "(batch, time, classes) and integers (batch, length), padded with negative numbers"
            )
        n, time, _ = shape
        xp = array_namespace(y_pred)
        target_lengths = plain.sum(
            plain.astype(plain.greater_equal(y_true, 0), plain.int64), axis=1, dtype=plain.int64
        )
        device = array_api_compat.device(y_true)
        input_lengths = plain.full((n,), time, dtype=plain.int64, device=device)
        counted = None
        if mask is not None:
            kept = as_mask(mask)
            if tuple(kept.shape) not in ((n,), (n, time)):
                raise ShapeError(
                    f"ctc: mask has shape {tuple(kept.shape)}, expected {(n, time)}: one mark for each step, "
                    f"or {(n,)}: one for each sequence"
                )
            y_pred = hide(y_pred, kept)
            own = array_namespace(kept)
            counted = kept
            if len(kept.shape) == 2:
                input_lengths = own.sum(own.astype(kept, own.int64), axis=1, dtype=own.int64)
                counted = own.greater(input_lengths, 0)
        log_probs = layers.log_softmax(y_pred) if self.from_logits else y_pred
        values = ctc_loss(
            log_probs,
            y_true,
            input_lengths,
            target_lengths,
            blank=self.blank,
            zero_infinity=self.zero_infinity,
        )
        if self.reduction == "mean":
            at_least_one = plain.where(
                plain.greater(target_lengths, 0), target_lengths, plain.ones_like(target_lengths)
            )
            values = xp.divide(values, plain.astype(at_least_one, values.dtype))
        if counted is None:
            return values, None
        values = xp.where(counted, values, xp.zeros_like(values))
        return values, array_namespace(counted).astype(counted, values.dtype)

    def check_targets(self, output_shape: tuple[int, ...], y_true: Array) -> None:
        low, high = value_range(y_true)
        if len(output_shape) == 3 and high >= output_shape[2]:
            raise DataError(
                f"ctc: targets range from {low:g} to {high:g}, but the model has {output_shape[2]} outputs; "
                f"expected integers in [0, {output_shape[2]}), or negative ones as padding",
                hint=f"class {self.blank} is the blank, so labels are the others",
            )
