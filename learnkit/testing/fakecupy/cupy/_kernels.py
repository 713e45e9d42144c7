"""Kernels from CUDA source: compiled for the CPU where a compiler is, imitated in NumPy where none is."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from . import _compiler, _imitations
from ._array import SCALARS, ndarray, wrap
from ._audit import audit

_C_TYPES = {
    "bool": "bool",
    "int8": "signed char",
    "int16": "short",
    "int32": "int",
    "int64": "long long",
    "uint8": "unsigned char",
    "uint16": "unsigned short",
    "uint32": "unsigned int",
    "uint64": "unsigned long long",
    "float32": "float",
    "float64": "double",
}


def _by_value(x: Any) -> np.ndarray[Any, Any]:
    """A number as the bytes that CuPy passes: its own dtype, or that of the Python type."""
    if isinstance(x, np.ndarray):
        if x.size != 1:
            raise TypeError(
                f"You are trying to pass a numpy.ndarray of shape {x.shape} as a kernel parameter. Only "
                "numpy.ndarrays of size one can be passed by value."
            )
        return x
    if not isinstance(x, SCALARS):
        raise TypeError(f"Unsupported type {type(x)}")
    return np.asarray(x)


class RawKernel:
    """A kernel called with a grid, a block and its arguments, whose types must match the source's."""

    def __init__(
        self, code: str, name: str, options: tuple[str, ...] = (), backend: str = "nvrtc", **more: Any
    ) -> None:
        self.code = code
        self.name = name
        self.options = options

    def compile(self, log_stream: Any = None) -> None:
        """Compile now and not on the first call."""
        if _compiler.compiler() is not None:
            _compiler.library(self.code, _compiler.kernels(self.code))

    def __call__(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: Any,
        *,
        shared_mem: int = 0,
        stream: Any = None,
    ) -> None:
        for what, value in (("grid", grid), ("block", block)):
            if not isinstance(value, tuple):
                raise TypeError(
                    f"Argument {what!r} has incorrect type (expected tuple, got {type(value).__name__})"
                )
        if shared_mem:
            raise NotImplementedError("the stand-in for CuPy has no dynamic shared memory")
        audit.launch(self.name)
        if _compiler.compiler() is None:
            _imitations.find(self.name)(*[a._a if isinstance(a, ndarray) else a for a in args])
            return
        threads = np.prod(block, dtype=np.int64)
        if threads > 1024:
            raise ValueError(f"a block of {threads} threads: a device takes at most 1024")
        made = _compiler.library(self.code, _compiler.kernels(self.code))
        held = self._checked(made, args)
        pointers = (ctypes.c_void_p * max(1, len(held)))(*[h.ctypes.data for h in held])
        sizes = [(ctypes.c_uint * 3)(*(max(1, n) for n in (*size, 1, 1)[:3])) for size in (grid, block)]
        getattr(made, f"fake_launch_{self.name}")(pointers, *sizes)

    def _checked(self, made: ctypes.CDLL, args: Any) -> list[np.ndarray[Any, Any]]:
        """The bytes of each argument, after comparing with the source what a device would take unseen."""
        types = _compiler.parameters(self.code, self.name)
        if len(types) != len(args):
            raise TypeError(f"kernel {self.name!r} has {len(types)} parameters and got {len(args)} arguments")
        described = (ctypes.c_longlong * (2 * len(types))).in_dll(made, f"fake_describe_{self.name}")
        held = []
        for i, (c_type, a) in enumerate(zip(types, args, strict=True)):
            is_array = isinstance(a, ndarray)
            value = a._a if is_array else _by_value(a)
            if bool(described[2 * i]) != is_array or described[2 * i + 1] != value.itemsize:
                kind = "an array" if is_array else "a number"
                raise TypeError(
                    f"kernel {self.name!r}, parameter {i}: expected {c_type!r}, got {kind} of {value.dtype}"
                )
            held.append(np.array(value.ctypes.data, dtype=np.uintp) if is_array else value)
        return held


class RawModule:
    """Source with several kernels."""

    def __init__(
        self, *, code: str, options: tuple[str, ...] = (), backend: str = "nvrtc", **more: Any
    ) -> None:
        self.code = code
        self.options = options

    def get_function(self, name: str) -> RawKernel:
        """The kernel of that name."""
        return RawKernel(self.code, name, self.options)


class ElementwiseKernel:
    """A kernel over the elements of broadcast arrays, from the statement that computes one element."""

    def __init__(
        self,
        in_params: str,
        out_params: str,
        operation: str,
        name: str = "kernel",
        reduce_dims: bool = True,
        preamble: str = "",
        no_return: bool = False,
        return_tuple: bool = False,
        *,
        loop_prep: str = "",
        after_loop: str = "",
        options: tuple[str, ...] = (),
        **more: Any,
    ) -> None:
        self.ins = [_Parameter(text) for text in in_params.split(",") if text.strip()]
        self.outs = [_Parameter(text) for text in out_params.split(",") if text.strip()]
        self.name = self.__name__ = name
        self._texts = (preamble, loop_prep, operation, after_loop)
        self._no_return = no_return
        self._return_tuple = return_tuple

    def __call__(self, *args: Any, size: int | None = None, block_size: int = 128, stream: Any = None) -> Any:
        if len(args) not in (len(self.ins), len(self.ins) + len(self.outs)):
            both = len(self.ins) + len(self.outs)
            raise TypeError(
                f"Wrong number of arguments for {self.name!r}. It must be either {len(self.ins)} or {both} "
                f"(with outputs), but given {len(args)}."
            )
        for a in args:
            if not isinstance(a, (*SCALARS, ndarray)):
                raise TypeError(f"Unsupported type {type(a)}")
        params = (self.ins + self.outs)[: len(args)]
        generic = self._resolve(params, args)
        shape = (size,) if size is not None else self._shape(params, args)
        outs = list(args[len(self.ins) :]) or [
            wrap(np.empty(shape, dtype=p.dtype(generic))) for p in self.outs
        ]  # new outputs are uninitialised, as on the device
        audit.launch(self.name)
        inputs = [
            self._dense(a, p, shape, generic) for p, a in zip(self.ins, args[: len(self.ins)], strict=True)
        ]
        results = [np.ascontiguousarray(o._a) for o in outs]
        if _compiler.compiler() is None:
            if self.name == "learnkit_fused":
                named = dict(zip([p.name for p in self.ins], inputs, strict=True))
                values = tuple(_imitations.learnkit_fused(self._texts[2], named))
            else:
                values = _imitations.find(self.name)(*inputs)
            for r, v in zip(results, values if isinstance(values, tuple) else (values,), strict=True):
                r[...] = v
        else:
            self._run(inputs + results, int(np.prod(shape, dtype=np.int64)), generic)
        for o, r in zip(outs, results, strict=True):
            if r is not o._a:
                o._a[...] = r
        if self._no_return:
            return None
        return tuple(outs) if len(outs) != 1 or self._return_tuple else outs[0]

    def _resolve(self, params: list[_Parameter], args: Any) -> dict[str, np.dtype[Any]]:
        """The dtype behind each generic letter, from the arrays, else from the numbers."""
        generic: dict[str, np.dtype[Any]] = {}
        for p, a in zip(params, args, strict=True):
            if isinstance(a, ndarray):
                wanted = generic.setdefault(p.type, a.dtype) if p.generic else np.dtype(p.type)
                if a.dtype != wanted:
                    raise TypeError(f"Type is mismatched. {p.name} {a.dtype} {wanted}")
        for p, a in zip(params, args, strict=True):
            if p.generic and not isinstance(a, ndarray):
                generic.setdefault(p.type, np.asarray(a).dtype)
        for p in self.ins + self.outs:
            if p.generic and p.type not in generic:
                raise TypeError(f"type {p.type!r} of {p.name!r} follows from no argument")
        return generic

    def _shape(self, params: list[_Parameter], args: Any) -> tuple[int, ...]:
        shapes = [a.shape for p, a in zip(params, args, strict=True) if isinstance(a, ndarray) and not p.raw]
        if not shapes:
            raise ValueError("Loop size is undecided.")
        shape: tuple[int, ...] = np.broadcast_shapes(*shapes)
        for a in args[len(self.ins) :]:
            if a.shape != shape:
                raise ValueError("Out shape is mismatched")
        return shape

    def _dense(self, a: Any, p: _Parameter, shape: tuple[int, ...], generic: dict[str, Any]) -> Any:
        if not isinstance(a, ndarray):
            return np.asarray(a).astype(p.dtype(generic))
        return np.ascontiguousarray(a._a if p.raw else np.broadcast_to(a._a, shape))

    def _run(self, arrays: list[Any], n: int, generic: dict[str, Any]) -> None:
        preamble, loop_prep, operation, after_loop = self._texts
        typedefs = "".join(f"typedef {_c_type(dtype)} {letter};\n" for letter, dtype in generic.items())
        declared = []
        for i, (p, a) in enumerate(zip(self.ins + self.outs, arrays, strict=True)):
            constant = "const " if i < len(self.ins) else ""
            c_type = p.type if p.generic else _c_type(np.dtype(p.type))
            if p.raw:
                declared.append(f"{constant}{c_type} *{p.name} = ({c_type} *)fake_arrays[{i}];")
            else:
                index = "i" if a.ndim or i >= len(self.ins) else "0"
                reference = "" if constant else "&"
                declared.append(
                    f"{constant}{c_type} {reference}{p.name} = (({c_type} *)fake_arrays[{i}])[{index}];"
                )
        code = f"""{typedefs}{preamble}
extern "C" __global__ void {self.name}(void *fake_pointers, long long n)
{{
    void **fake_arrays = (void **)fake_pointers;
    {loop_prep};
    for (long long i = 0; i < n; ++i) {{ {" ".join(declared)} {operation}; }}
    {after_loop};
}}
"""
        made = _compiler.library(code, (self.name,))
        pointers = (ctypes.c_void_p * len(arrays))(*[a.ctypes.data for a in arrays])
        held = [ctypes.c_void_p(ctypes.addressof(pointers)), ctypes.c_longlong(n)]
        passed = (ctypes.c_void_p * 2)(*[ctypes.addressof(h) for h in held])
        one = (ctypes.c_uint * 3)(1, 1, 1)
        getattr(made, f"fake_launch_{self.name}")(passed, one, one)


class _Parameter:
    """One of ``"T x"``, ``"float32 y"``, ``"raw T z"``."""

    def __init__(self, text: str) -> None:
        *flags, self.type, self.name = text.split()
        self.raw = "raw" in flags
        self.generic = len(self.type) == 1

    def dtype(self, generic: dict[str, np.dtype[Any]]) -> np.dtype[Any]:
        return generic[self.type] if self.generic else np.dtype(self.type)


def _c_type(dtype: np.dtype[Any]) -> str:
    found = _C_TYPES.get(dtype.name)
    if found is None:
        raise NotImplementedError(f"kernels over {dtype} are not part of the stand-in for CuPy")
    return found
