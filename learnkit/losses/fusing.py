"""The mean of a loss, and its gradient, as one kernel each; for every loss that is elementwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from learnkit.autodiff.fused import DifferentiableFused
from learnkit.backends.base import Array, array_namespace
from learnkit.fusion.options import code_of, options_of, shadow

__all__ = ["fused_mean"]

#: By class, method and the options that are no real numbers.
_means: dict[Any, tuple[Any, DifferentiableFused]] = {}


def fused_mean(loss: Any, method: str, y_pred: Array, y_true: Array) -> Array:
    """``xp.mean(loss.method(y_pred, y_true))``, fused where that is possible.

    The real hyper-parameters of the loss are arguments of the kernel.
    """
    numbers, fixed = options_of(loss)
    key = (type(loss), method, fixed)
    try:
        known = _means.get(key)
    except TypeError:  # an option that cannot be hashed
        return _plainly(loss, method)(y_pred, y_true)
    code = code_of(loss, method)
    if known is None or known[0] != code:
        if len(_means) > 256:
            _means.clear()
        mean = DifferentiableFused(_plainly(loss, method), f"{type(loss).__name__}.{method}")
        known = _means[key] = code, mean
    return known[1](y_pred, y_true, **numbers)


def _plainly(loss: Any, method: str) -> Callable[..., Array]:
    def mean(y_pred: Array, y_true: Array, **numbers: Any) -> Array:
        values = getattr(shadow(loss, numbers) if numbers else loss, method)(y_pred, y_true)
        return array_namespace(values).mean(values)

    return mean
