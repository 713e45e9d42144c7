"""Functions made from the recorded surface: CuPy's names and parameters, NumPy's values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._array import SCALARS, ndarray, unwrap, wrap
from ._audit import audit
from ._surface import SURFACE, signature

#: Functions about types and shapes: no array comes out and nothing is launched.
METADATA = frozenset(
    """
    broadcast_shapes byte_bounds can_cast common_type finfo iinfo iscomplexobj isrealobj isscalar issubdtype
    isdtype may_share_memory min_scalar_type mintypecode ndim promote_types result_type shape
    shares_memory size
    """.split()
)
#: Functions that give a view where they can: a launch only if the values had to be copied.
VIEWS = frozenset(
    """
    array_split atleast_1d atleast_2d atleast_3d broadcast_arrays broadcast_to diagonal dsplit expand_dims
    flip fliplr flipud hsplit imag matrix_transpose moveaxis permute_dims ravel real reshape rollaxis rot90
    split squeeze swapaxes transpose unstack vsplit empty empty_like
    """.split()
)
#: Functions that copy to the host or look at a value to know how large their result is.
WAITING = frozenset(
    """
    argwhere array2string array_repr array_str bincount compress extract flatnonzero histogram
    intersect1d nonzero select setdiff1d trim_zeros union1d unique unique_all unique_counts unique_inverse
    unique_values
    """.split()
)
#: Launches of functions that CuPy composes of others; every other function counts as one.
SEVERAL = {"var": 2, "std": 3, "nanvar": 2, "nanstd": 3, "take_along_axis": 3, "put_along_axis": 3}


class ufunc:  # noqa: N801  (CuPy's name)
    """An elementwise function: arrays and numbers in, and only the keywords that CuPy knows."""

    def __init__(self, name: str, recorded: dict[str, Any], compute: Any) -> None:
        self.__name__ = self.name = name
        self.nin: int = recorded["nin"]
        self.nout: int = recorded["nout"]
        self.types: list[str] = recorded["types"]
        self._compute = compute

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        wrong = set(kwargs) - {"out", "dtype", "casting"}
        if wrong:
            raise TypeError(f"Wrong arguments {sorted(wrong)}")
        if not self.nin <= len(args) <= self.nin + self.nout:
            raise TypeError(f"Wrong number of arguments for {self!r}")
        for x in args:
            if not isinstance(x, (*SCALARS, ndarray)):
                raise TypeError(f"Unsupported type {type(x)}")
        out = kwargs.get("out")
        if out is not None and not isinstance(out, ndarray):
            raise TypeError("Output arguments must be cupy.ndarray")
        audit.launch(self.name)
        with np.errstate(all="ignore"):
            result = self._compute(*unwrap(args), **{k: unwrap(v) for k, v in kwargs.items()})
        if len(args) > self.nin:
            return args[self.nin]
        return wrap(result) if out is None else out

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        """Add in place at indices that may repeat; CuPy has it for few functions, here for ``add``."""
        if self.name != "add":
            raise NotImplementedError(f"cupy.{self.name}.at is not part of the stand-in")
        a.scatter_add(indices, b)

    def __repr__(self) -> str:
        return f"<ufunc 'cupy_{self.name}'>"


def _copied(result: Any, args: list[Any]) -> bool:
    """Whether what could have been a view of the first argument holds values of its own."""
    arrays = args and isinstance(args[0], np.ndarray) and isinstance(result, np.ndarray)
    return bool(arrays and result.size and not np.may_share_memory(result, args[0]))


def function(name: str, parameters: str | None, compute: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the surface over NumPy's of the same name."""
    known = signature(parameters)

    def call(*args: Any, **kwargs: Any) -> Any:
        if known is not None:
            known.bind(*args, **kwargs)
        if name in WAITING:
            audit.sync(f"cupy.{name}")
        out = kwargs.get("out")
        plain = [unwrap(a) for a in args]
        named = {k: unwrap(v) for k, v in kwargs.items()}
        with np.errstate(all="ignore"):
            result = compute(*plain, **named)
        if name in METADATA:
            return result
        if name not in VIEWS:
            audit.launch(name, SEVERAL.get(name, 1))
        elif _copied(result, plain):
            audit.launch(name)
        return out if isinstance(out, ndarray) else wrap(result)

    call.__name__ = call.__qualname__ = name
    return call


def namespace(surface: str, numpy_module: Any) -> dict[str, Any]:
    """All that the surface of a module records and NumPy can compute, by name."""
    recorded = SURFACE[surface]
    made: dict[str, Any] = {}
    for name in recorded["others"]:
        value = getattr(numpy_module, name, None)
        if value is not None or name == "newaxis":
            made[name] = value
    for name, parameters in recorded["functions"].items():
        compute = getattr(numpy_module, name, None)
        if callable(compute):
            made[name] = function(name, parameters, compute)
    for name, about in recorded["ufuncs"].items():
        compute = getattr(numpy_module, name, None)
        if callable(compute):
            made[name] = ufunc(name, about, compute)
    return made
