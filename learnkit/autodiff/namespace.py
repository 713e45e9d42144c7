"""The standard's namespace over variables, one for each namespace of plain arrays.

``namespace(xp).exp(variable)`` records; functions without a gradient give plain arrays; dtypes and
constants are those of ``xp``. Over the namespace of variables there is one again, without end.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from learnkit.autodiff.primitive import Primitive
from learnkit.autodiff.rules import structure
from learnkit.autodiff.rules.elementwise import BINARY, UNARY, erf, where
from learnkit.autodiff.rules.indexing import INDEXING
from learnkit.autodiff.rules.linalg import LINALG
from learnkit.autodiff.rules.reduction import REDUCTIONS
from learnkit.autodiff.rules.structure import STRUCTURE
from learnkit.autodiff.variable import Variable, plain_value
from learnkit.backends.base import Array, array_namespace
from learnkit.backends.kernels import Kernels

__all__ = ["VariableNamespace", "namespace", "namespace_over"]

#: Functions whose result does not change with small changes of the input, or that take no array.
_CONSTANT = frozenset(
    [
        "all",
        "any",
        "argmax",
        "argmin",
        "ceil",
        "count_nonzero",
        "equal",
        "floor",
        "greater",
        "greater_equal",
        "isfinite",
        "isinf",
        "isnan",
        "less",
        "less_equal",
        "logical_and",
        "logical_not",
        "logical_or",
        "logical_xor",
        "nonzero",
        "not_equal",
        "round",
        "sign",
        "signbit",
        "trunc",
        "floor_divide",
        "searchsorted",
        "argsort",
        "arange",
        "empty",
        "empty_like",
        "eye",
        "full",
        "full_like",
        "linspace",
        "ones",
        "ones_like",
        "zeros",
        "zeros_like",
        "broadcast_shapes",
        "can_cast",
        "finfo",
        "iinfo",
        "isdtype",
        "result_type",
    ]
)

#: Names passed on as they are.
_DTYPES = frozenset(
    [
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float32",
        "float64",
        "complex64",
        "complex128",
        "e",
        "inf",
        "nan",
        "newaxis",
        "pi",
        "__array_namespace_info__",
        "__array_api_version__",
    ]
)


class VariableNamespace:
    """The differentiable namespace over ``base_namespace``.

    Compares and hashes by the namespace below, and has a ``__name__``, because array-api-compat tells
    namespaces apart by it.
    """

    def __init__(self, base: Any) -> None:
        self.base_namespace = base
        self.__name__ = f"learnkit.autodiff.namespace({getattr(base, '__name__', base)})"
        self.special = _Special()
        self.kernels = Kernels(self, in_place=False)

    def __getattr__(self, name: str) -> Any:
        made = self._make(name)
        self.__dict__[name] = made
        return made

    def _make(self, name: str) -> Any:
        differentiable = _DIFFERENTIABLE.get(name)
        if differentiable is not None:
            return differentiable
        if name == "asarray":
            return functools.partial(_asarray, self.base_namespace)
        if name in _DTYPES:
            return getattr(self.base_namespace, name)
        if name in _CONSTANT:
            return _constant(getattr(self.base_namespace, name))
        raise AttributeError(f"{self.__name__} has no function {name!r}")

    def __dir__(self) -> list[str]:
        return sorted({*_DIFFERENTIABLE, *_DTYPES, *_CONSTANT, "asarray", "special"})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VariableNamespace) and self.base_namespace == other.base_namespace

    def __hash__(self) -> int:
        return hash(self.__name__)

    def __repr__(self) -> str:
        return f"<{self.__name__}>"


class _Special:
    """Functions that the standard lacks, under the name at which SciPy looks for them."""

    erf = staticmethod(erf)


def _constant(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` of the plain values of its arguments, which may be variables of several levels."""

    @functools.wraps(function, updated=())
    def plain(*args: Any, **kwargs: Any) -> Any:
        return function(*(plain_value(a) for a in args), **{k: plain_value(v) for k, v in kwargs.items()})

    return plain


def _asarray(
    base: Any, x: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None
) -> Array:
    """A variable stays on the tape; anything else becomes an array of the namespace below."""
    if type(x) is Variable:
        return x if dtype is None or dtype == x.dtype else structure.astype(x, dtype)
    return base.asarray(x, dtype=dtype, device=device, copy=copy)


_DIFFERENTIABLE: dict[str, Primitive | Callable[..., Any]] = {
    **UNARY,
    **BINARY,
    **REDUCTIONS,
    **LINALG,
    **STRUCTURE,
    **INDEXING,
    "astype": structure.astype,
    "concat": structure.concat,
    "stack": structure.stack,
    "where": where,
}


@functools.cache
def namespace(xp: Any) -> VariableNamespace:
    """The differentiable namespace over the namespace ``xp`` of plain arrays.

    >>> import array_api_compat.numpy as xp
    >>> namespace(xp).__name__
    'learnkit.autodiff.namespace(array_api_compat.numpy)'
    """
    return VariableNamespace(xp)


def namespace_over(x: Array) -> VariableNamespace:
    """The differentiable namespace for variables that wrap arrays like ``x``."""
    return namespace(array_namespace(x))
