"""The standard's namespace over variables, one for each namespace of plain arrays.

``namespace(xp).exp(variable)`` records; functions without a gradient give plain arrays; dtypes and
constants are those of ``xp``. Over the namespace of variables there is one again, without end.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from learnkit.autodiff.composite import Composite, constants
from learnkit.autodiff.primitive import Primitive
from learnkit.autodiff.rules import structure
from learnkit.autodiff.rules.complex import is_complex
from learnkit.autodiff.rules.composed import COMPOSED as STANDARD_COMPOSED
from learnkit.autodiff.rules.composed import LINALG_COMPOSED
from learnkit.autodiff.rules.decompositions import COMPOSED as DECOMPOSITIONS_COMPOSED
from learnkit.autodiff.rules.decompositions import DECOMPOSITIONS
from learnkit.autodiff.rules.elementwise import BINARY, UNARY, complex_sign, where
from learnkit.autodiff.rules.fourier import COMPOSED as FFT_COMPOSED
from learnkit.autodiff.rules.fourier import FOURIER
from learnkit.autodiff.rules.indexing import INDEXING
from learnkit.autodiff.rules.linalg import LINALG
from learnkit.autodiff.rules.reduction import REDUCTIONS
from learnkit.autodiff.rules.special import SPECIAL
from learnkit.autodiff.rules.structure import STRUCTURE
from learnkit.autodiff.rules.unique import COMPOSED as UNIQUE_COMPOSED
from learnkit.autodiff.tape import CONSTANT
from learnkit.autodiff.variable import Variable, plain_value
from learnkit.backends.base import Array, array_namespace
from learnkit.backends.kernels import Kernels

__all__ = ["VariableNamespace", "namespace", "namespace_over"]

#: Functions of the standard whose result does not change with small changes of the input, or that take
#: no array with a gradient.
_CONSTANT = frozenset(
    """
    all any argmax argmin argsort bitwise_and bitwise_invert bitwise_left_shift bitwise_or
    bitwise_right_shift bitwise_xor ceil count_nonzero equal floor floor_divide greater greater_equal isfinite
    isin isinf isnan less less_equal logical_and logical_not logical_or logical_xor nextafter nonzero
    not_equal round searchsorted signbit trunc
    arange empty empty_like eye from_dlpack full full_like linspace ones ones_like zeros zeros_like
    broadcast_shapes can_cast finfo iinfo isdtype result_type
    """.split()
)

#: Names passed on as they are.
_AS_THEY_ARE = frozenset(
    """
    bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64 complex64 complex128
    e inf nan pi __array_namespace_info__ __array_api_version__
    """.split()
)


COMPOSED: dict[str, Callable[..., Any]] = {**STANDARD_COMPOSED, **UNIQUE_COMPOSED}


class _Names:
    """Attributes made when they are first asked for."""

    def __init__(self, name: str, base: Any) -> None:
        self.base_namespace = base
        self.__name__ = name

    def __getattr__(self, name: str) -> Any:
        made = self._make(name)
        if made is None:
            raise AttributeError(f"{self.__name__} has no function {name!r}", name=name, obj=self)
        self.__dict__[name] = made
        return made

    def _make(self, name: str) -> Any:
        raise TypeError("a namespace says what it holds")

    def __repr__(self) -> str:
        return f"<{self.__name__}>"


class VariableNamespace(_Names):
    """The differentiable namespace over ``base_namespace``.

    Compares and hashes by the namespace below, and has a ``__name__``, because array-api-compat tells
    namespaces apart by it.

    Attributes:
        linalg, fft: the extensions of the standard, if the namespace below has them.
        special: ``erf``, ``expit``, ``gammaln`` and others, under the names of ``scipy.special``.
        kernels: the generic kernels, which over variables are differentiable.
    """

    def __init__(self, base: Any) -> None:
        super().__init__(f"learnkit.autodiff.namespace({getattr(base, '__name__', base)})", base)
        self.newaxis = None
        self.special = _Special()
        self.kernels = Kernels(self, in_place=False)

    def _make(self, name: str) -> Any:
        found = _DIFFERENTIABLE.get(name)
        if found is not None:
            return found
        if name == "asarray":
            return functools.partial(_asarray, self.base_namespace)
        if name in COMPOSED:
            return Composite(name, COMPOSED[name], _finder(name))
        if name in ("linalg", "fft"):
            below = getattr(self.base_namespace, name, None)
            tables = (
                (_LINALG, {**DECOMPOSITIONS_COMPOSED, **LINALG_COMPOSED})
                if name == "linalg"
                else (FOURIER, FFT_COMPOSED)
            )
            return None if below is None else _Extension(f"{self.__name__}.{name}", below, name, *tables)
        if name in _AS_THEY_ARE:
            return getattr(self.base_namespace, name, None)
        if name in _CONSTANT:
            below = getattr(self.base_namespace, name, None)
            return None if below is None else _constant(below)
        return None

    def __dir__(self) -> list[str]:
        own = {*_DIFFERENTIABLE, *COMPOSED, "asarray", "fft", "linalg", "special"}
        below = {n for n in (*_CONSTANT, *_AS_THEY_ARE) if hasattr(self.base_namespace, n)}
        return sorted(own | below)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VariableNamespace) and self.base_namespace == other.base_namespace

    def __hash__(self) -> int:
        return hash(self.__name__)


class _Extension(_Names):
    """``linalg`` or ``fft`` over the extension of the namespace below."""

    def __init__(
        self, name: str, base: Any, extension: str, primitives: Mapping[str, Any], composed: Mapping[str, Any]
    ) -> None:
        super().__init__(name, base)
        self._extension = extension
        self._primitives = primitives
        self._composed = composed

    def _make(self, name: str) -> Any:
        if name in self._primitives:
            return self._primitives[name]
        if name in self._composed:
            return Composite(name, self._composed[name], _finder(name, self._extension))
        below = getattr(self.base_namespace, name, None) if name in _CONSTANT_EXTENSIONS else None
        return None if below is None else _constant(below)

    def __dir__(self) -> list[str]:
        return sorted({*self._primitives, *self._composed, *_CONSTANT_EXTENSIONS})


_CONSTANT_EXTENSIONS = frozenset(("fftfreq", "rfftfreq", "matrix_rank"))


class _Special:
    """Functions that the standard lacks, under the names at which SciPy looks for them."""

    def __init__(self) -> None:
        self.__dict__.update(SPECIAL)


def _finder(name: str, extension: str | None = None) -> Callable[[Any], Callable[..., Any]]:
    """From a namespace of plain arrays to its function of that name."""
    if extension is None:
        return lambda xp: getattr(xp, name)
    return lambda xp: getattr(getattr(xp, extension), name)


def _constant(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` of the plain values of its arguments; arrays that it returns are constants here.

    So everything that the namespace makes belongs to it, and code that asks several arrays for their
    common namespace finds one.
    """

    @functools.wraps(function, updated=())
    def constant_function(*args: Any, **kwargs: Any) -> Any:
        plain = {k: plain_value(v) for k, v in kwargs.items()}
        return constants(function(*(plain_value(a) for a in args), **plain))

    return constant_function


def _asarray(
    base: Any, obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None
) -> Array:
    """A variable stays on the tape, as do variables in nested lists; the rest becomes a constant.

    Without a copy the variable itself is returned, so that assignments to one are seen in the other.
    """
    if type(obj) is Variable:
        moved = device is not None and device != obj.device
        cast = dtype is not None and dtype != obj.dtype
        if copy is False and (moved or cast):
            raise ValueError(
                f"asarray: copy=False, but another {'device' if moved else 'dtype'} needs a copy"
            )
        if not (copy or moved or cast):
            return obj
        if obj.node is CONSTANT:
            return constants(base.asarray(obj.data, dtype=dtype, device=device, copy=copy))
        if moved:
            obj = structure.to_device(obj, device)
        return structure.astype(obj, dtype) if cast else UNARY["positive"](obj)
    if isinstance(obj, (list, tuple)) and _holds_variable(obj):
        return structure.stack([_asarray(base, part, dtype=dtype, device=device) for part in obj])
    return constants(base.asarray(obj, dtype=dtype, device=device, copy=copy))


def _holds_variable(x: Any) -> bool:
    return any(type(p) is Variable or (isinstance(p, (list, tuple)) and _holds_variable(p)) for p in x)


def _sign(x: Array, /) -> Array:
    """The sign; of a complex variable ``x / |x|``, which has a gradient."""
    if type(x) is Variable and is_complex(x):
        return complex_sign(array_namespace(x), x)
    plain = plain_value(x)
    value = array_namespace(plain).sign(plain)
    return constants(value) if type(x) is Variable else value


_LINALG: dict[str, Any] = {
    **DECOMPOSITIONS,
    "matmul": LINALG["matmul"],
    "matrix_transpose": LINALG["matrix_transpose"],
}

_DIFFERENTIABLE: dict[str, Primitive | Callable[..., Any]] = {
    **UNARY,
    **BINARY,
    **REDUCTIONS,
    **LINALG,
    **STRUCTURE,
    **INDEXING,
    "astype": structure.astype,
    "concat": structure.concat,
    "sign": _sign,
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
