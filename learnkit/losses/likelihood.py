"""Negative log-likelihoods of counts and of numbers with an uncertainty of their own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from learnkit.autodiff import stop_gradient
from learnkit.backends.base import Array, array_namespace
from learnkit.checks import check_flag, check_number
from learnkit.errors import DataError, ShapeError
from learnkit.losses.base import ElementwiseLoss, mean_over_example
from learnkit.losses.host import value_range

__all__ = ["GaussianNLL", "PoissonNLL", "gaussian_nll"]


def exp_or_tangent(x: Array, share: float = 0.8) -> Array:
    """``exp(x)``, which beyond ``share`` (four fifths) of the largest exponent goes on as its tangent.

    So a logit of 1e4 has a finite loss with a gradient that pulls it back, and not an infinite one. The
    bound is 70 in float32 and 567 in float64, where the exponential is 1e30 and 1e246.
    """
    xp = array_namespace(x)
    bound = share * math.log(float(xp.finfo(x.dtype).max))
    beyond = xp.greater(x, bound)
    e = xp.exp(xp.where(beyond, xp.full_like(x, bound), x))
    over = xp.where(beyond, xp.subtract(x, bound), xp.zeros_like(x))
    return xp.add(e, xp.multiply(math.exp(bound), over))


@dataclass(frozen=True)
class PoissonNLL(ElementwiseLoss):
    """Poisson loss of counts t: ``exp(y_pred) - t y_pred``, the negative log-likelihood without log t!.

    ::

        log_input:      exp(y_pred) - t y_pred            y_pred is the logarithm of the rate
        otherwise:      y_pred - t log(y_pred + eps)      y_pred is the rate; below 0 it is taken as 0
        full, t > 1:    + t log t - t + log(2 pi t) / 2   Stirling's approximation of log t!

    Very large logarithms of rates (70 in float32) are continued along the tangent, so the loss stays finite.

    y_pred and y_true: (batch, ...) of equal shape -> (batch,).

    Args:
        log_input: default ``True``.
        full: default ``False``.
        eps: > 0, default 1e-8.

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: the shapes differ.

    Source: PyTorch's PoissonNLLLoss.

    >>> import numpy as np
    >>> float(PoissonNLL()(np.asarray([0.0]), np.asarray([3])))
    1.0
    """

    label: ClassVar[str] = "poisson_nll"
    log_input: bool = True
    full: bool = False
    eps: float = 1e-8

    def check_options(self) -> None:
        check_flag("PoissonNLL", "log_input", self.log_input)
        check_flag("PoissonNLL", "full", self.full)
        check_number("PoissonNLL", "eps", self.eps, above=0)

    def formula(self, y_pred: Array, y_true: Array) -> Array:
        xp = array_namespace(y_pred, y_true)
        if self.log_input:
            loss = xp.subtract(exp_or_tangent(y_pred), xp.multiply(y_true, y_pred))
        else:
            rate = xp.where(xp.less(y_pred, 0), xp.zeros_like(y_pred), y_pred)
            loss = xp.subtract(rate, xp.multiply(y_true, xp.log(xp.add(rate, float(self.eps)))))
        return xp.add(loss, _stirling(y_true)) if self.full else loss

    def check_targets(self, output_shape: tuple[int, ...], y_true: Array) -> None:
        low, high = value_range(y_true)
        if low < 0:
            raise DataError(
                f"poisson_nll: targets range from {low:g} to {high:g}, expected counts >= 0",
                hint="use mse or huber for numbers that may be negative",
            )


def _stirling(t: Array) -> Array:
    """``t log t - t + log(2 pi t) / 2`` for t > 1, else 0."""
    xp = array_namespace(t)
    large = xp.greater(t, 1)
    safe = xp.where(large, t, xp.ones_like(t))
    log = xp.log(safe)
    value = xp.add(
        xp.subtract(xp.multiply(safe, log), safe), xp.multiply(0.5, xp.add(log, math.log(2 * math.pi)))
    )
    return xp.where(large, value, xp.zeros_like(t))


@dataclass(frozen=True)
class GaussianNLL(ElementwiseLoss):
    """Negative log-likelihood of a normal distribution whose mean and variance are both predicted:
    ``(log v + (y_true - m)^2 / v) / 2``, v held at eps or more.

    The model has twice as many outputs as there are targets: the first half of the last axis are the means m,
    the second half the variances v. A network whose outputs may be negative takes
    ``log_variance=True``, and its second half is log v.

    The gradient passes through where v is held, as in PyTorch.

    Args:
        full: with the constant ``log(2 pi) / 2``; default ``False``.
        eps: > 0, default 1e-6; not used with ``log_variance``.
        log_variance: default ``False``, PyTorch's form.

    Args (of the call):
        y_pred: (batch, 2) for y_true (batch,) or (batch, 1); else (..., 2 k) for y_true (..., k).

    Raises:
        ArgumentError: an option is out of range.
        ShapeError: the shapes do not fit.

    Source: Nix and Weigend 1994; PyTorch's GaussianNLLLoss. :func:`gaussian_nll` takes the variance apart.

    >>> import numpy as np
    >>> float(GaussianNLL()(np.asarray([[1.0, 4.0]]), np.asarray([3.0])).round(6))  # (log 4 + 4/4) / 2
    1.193147
    """

    label: ClassVar[str] = "gaussian_nll"
    full: bool = False
    eps: float = 1e-6
    log_variance: bool = False

    def check_options(self) -> None:
        check_flag("GaussianNLL", "full", self.full)
        check_number("GaussianNLL", "eps", self.eps, above=0)
        check_flag("GaussianNLL", "log_variance", self.log_variance)

    def aligned(self, y_pred: Array, y_true: Array) -> tuple[Array, Array]:
        predicted, wanted = tuple(y_pred.shape), tuple(y_true.shape)
        columns = wanted if len(wanted) > 1 else (*wanted, 1)
        if not wanted or predicted != (*columns[:-1], 2 * columns[-1]):
            raise ShapeError(
                f"gaussian_nll: y_pred has shape {predicted} and y_true {wanted}, expected "
                f"{(*columns[:-1], 2 * columns[-1])} for y_pred: a mean and a variance for each target"
            )
        xp = array_namespace(y_true)
        return y_pred, xp.reshape(xp.astype(y_true, y_pred.dtype, copy=False), columns)

    def formula(self, y_pred: Array, y_true: Array) -> Array:
        k = y_true.shape[-1]
        mean, spread = y_pred[..., :k], y_pred[..., k:]
        if not self.log_variance:
            return _gaussian(mean, y_true, spread, self.full, self.eps)
        xp = array_namespace(y_pred, y_true)
        square = xp.square(xp.subtract(mean, y_true))
        # Half of the exponents for the precision, so that its product with a large square is finite as well.
        precision = exp_or_tangent(xp.negative(spread), 0.5)
        loss = xp.multiply(0.5, xp.add(spread, xp.multiply(square, precision)))
        return xp.add(loss, 0.5 * math.log(2 * math.pi)) if self.full else loss


def gaussian_nll(
    mean: Array, y_true: Array, variance: Array, *, full: bool = False, eps: float = 1e-6
) -> Array:
    """:class:`GaussianNLL` with mean and variance in two arrays: the loss of each example, (batch,).

    Args:
        mean, y_true: (batch, ...) of equal shape.
        variance: of the same shape, or one that broadcasts to it, such as (batch, 1).
        full, eps: as for the class.

    >>> import numpy as np
    >>> gaussian_nll(np.asarray([1.0]), np.asarray([3.0]), np.asarray([4.0])).round(6)
    array([1.193147])
    """
    return mean_over_example(_gaussian(mean, y_true, variance, full, eps))


def _gaussian(mean: Array, y_true: Array, variance: Array, full: bool, eps: float) -> Array:
    xp: Any = array_namespace(mean, y_true, variance)
    # Held by adding a constant, so that the gradient passes.
    lack = xp.subtract(eps, variance)
    lack = stop_gradient(xp.where(xp.greater(lack, 0), lack, xp.zeros_like(lack)))
    held = xp.add(variance, lack)
    square = xp.square(xp.subtract(mean, y_true))
    loss = xp.multiply(0.5, xp.add(xp.log(held), xp.divide(square, held)))
    return xp.add(loss, 0.5 * math.log(2 * math.pi)) if full else loss
