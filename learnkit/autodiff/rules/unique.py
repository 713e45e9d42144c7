"""Unique values: the value of each goes back to the element at which it was found first.

Indices, counts and the rest are constants. The shapes depend on the data, so not every library has these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_compat

from learnkit.autodiff.variable import plain_value
from learnkit.backends.base import Array

__all__ = ["COMPOSED"]


def unique_values(xp: Any, x: Array, /) -> Array:
    """The distinct elements."""
    plain = plain_value(x)
    return _values(xp, x, array_api_compat.array_namespace(plain).unique_inverse(plain).inverse_indices)


def unique_all(xp: Any, x: Array, /) -> Any:
    """The distinct elements, where each was found first, the way back, and how often each occurs."""
    return _with_values(xp, x, "unique_all")


def unique_counts(xp: Any, x: Array, /) -> Any:
    """The distinct elements and how often each occurs."""
    return _with_values(xp, x, "unique_counts")


def unique_inverse(xp: Any, x: Array, /) -> Any:
    """The distinct elements and the way back."""
    return _with_values(xp, x, "unique_inverse")


def _with_values(xp: Any, x: Array, name: str) -> Any:
    """The library's result, with the values taken from ``x``."""
    plain = plain_value(x)
    below = array_api_compat.array_namespace(plain)
    found = getattr(below, name)(plain)
    inverse = getattr(found, "inverse_indices", None)
    if inverse is None:
        inverse = below.unique_inverse(plain).inverse_indices
    parts = {field: xp.asarray(part) for field, part in found._asdict().items()}
    return type(found)(**{**parts, "values": _values(xp, x, inverse)})


def _values(xp: Any, x: Array, inverse: Array) -> Array:
    """The elements of ``x`` at which each value was found first. Not every library gives their indices."""
    below = array_api_compat.array_namespace(inverse)
    inverse = below.reshape(inverse, (-1,))
    order = below.argsort(inverse, stable=True)
    ranked = below.take(inverse, order)
    number = int(ranked[-1]) + 1 if ranked.shape[0] else 0
    device = array_api_compat.device(inverse)
    first = below.searchsorted(ranked, below.arange(number, dtype=inverse.dtype, device=device))
    return xp.take(xp.reshape(x, (-1,)), below.take(order, first))


COMPOSED: dict[str, Callable[..., Any]] = {
    "unique_all": unique_all,
    "unique_counts": unique_counts,
    "unique_inverse": unique_inverse,
    "unique_values": unique_values,
}
