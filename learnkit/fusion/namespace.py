"""The namespace of symbols: the functions of the standard, and the kernels, that can be fused."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import array_api_compat.numpy as standard
import numpy as np

from learnkit.backends.kernels import Kernels
from learnkit.fusion.host import NotFusable
from learnkit.fusion.operations import OPERATIONS
from learnkit.fusion.symbols import Symbol

if TYPE_CHECKING:
    from learnkit.fusion.graph import Graph

__all__ = ["SymbolNamespace"]

_DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


class SymbolNamespace:
    """The part of the standard that can be fused, for the symbols of one trace."""

    __name__ = "learnkit.fusion.namespace"
    pi, e, inf, nan, newaxis = math.pi, math.e, math.inf, math.nan, None

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.kernels = _SymbolKernels(self)
        for name in (*_DTYPES, "float32", "float64"):
            setattr(self, name, np.dtype(name))
        for name in ("isdtype", "finfo", "iinfo"):
            setattr(self, name, getattr(standard, name))

    def __getattr__(self, name: str) -> Any:
        if name not in OPERATIONS or name == "erf":
            raise AttributeError(f"{name} is not elementwise")
        graph = self._graph

        def function(*operands: Any) -> Symbol:
            return graph.apply(name, *operands)

        setattr(self, name, function)
        return function

    def where(self, condition: Any, x1: Any, x2: Any, /) -> Symbol:
        return self._graph.choose(condition, x1, x2)

    def clip(self, x: Any, /, min: Any = None, max: Any = None) -> Symbol:
        if min is not None:
            x = self._graph.apply("maximum", x, min)
        return x if max is None else self._graph.apply("minimum", x, max)

    def positive(self, x: Any, /) -> Symbol:
        return self._graph.lift(x)

    def astype(self, x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Symbol:
        return self._graph.cast(self._graph.lift(x), np.dtype(dtype))

    def asarray(self, obj: Any, /, *, dtype: Any = None, device: Any = None, copy: Any = None) -> Symbol:
        x = self._graph.lift(obj)
        if dtype is None:
            if x.dtype is None:
                raise NotFusable("asarray of a number without a dtype")
            return x
        return self._graph.cast(x, np.dtype(dtype))

    def full(self, shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Symbol:
        return self._graph.filled(shape, fill_value, dtype)

    def zeros(self, shape: Any, *, dtype: Any = None, device: Any = None) -> Symbol:
        return self._graph.filled(shape, 0.0 if dtype is None or np.dtype(dtype).kind == "f" else 0, dtype)

    def ones(self, shape: Any, *, dtype: Any = None, device: Any = None) -> Symbol:
        return self._graph.filled(shape, 1.0 if dtype is None or np.dtype(dtype).kind == "f" else 1, dtype)

    def full_like(self, x: Symbol, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Symbol:
        return self._graph.filled(x.shape, fill_value, dtype or x.dtype)

    def zeros_like(self, x: Symbol, /, *, dtype: Any = None, device: Any = None) -> Symbol:
        return self.full_like(x, 0, dtype=dtype)

    def ones_like(self, x: Symbol, /, *, dtype: Any = None, device: Any = None) -> Symbol:
        return self.full_like(x, 1, dtype=dtype)

    def broadcast_to(self, x: Symbol, /, shape: Any) -> Symbol:
        return self._graph.spread(self._graph.lift(x), shape)

    def reshape(self, x: Symbol, /, shape: Any, *, copy: Any = None) -> Symbol:
        if self._graph.is_full(shape) != x.full:
            raise NotFusable("reshape")
        return x

    def sum(self, x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Symbol:
        return self._graph.reduced("sum", x, axis, keepdims, dtype)

    def mean(self, x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Symbol:
        return self._graph.reduced("mean", x, axis, keepdims, None)

    def result_type(self, *operands: Any) -> Any:
        return np.result_type(*(o.dtype if type(o) is Symbol else o for o in operands))


class _SymbolKernels(Kernels):
    """The kernels that are elementwise."""

    def __init__(self, xp: SymbolNamespace) -> None:
        super().__init__(xp, in_place=False)

    def erf(self, x: Any) -> Any:
        return x.graph.apply("erf", x)

    def sign(self, x: Any) -> Any:
        return x.graph.apply("sign", x)

    def copy(self, x: Any) -> Any:
        return x

    def spread(self, x: Any, shape: Any) -> Any:
        return self.xp.broadcast_to(x, shape)
