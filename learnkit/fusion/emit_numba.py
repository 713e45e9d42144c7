"""A trace as source for Numba: one loop, compiled for the host's processor.

Three things decide whether the compiler uses vector instructions. An array that is overwritten is one
argument and not two, since for two it would have to prove that they do not overlap. The loop runs from 0
over slices, as an index with an offset might be negative, which Python counts from the end. And every
function in it is arithmetic: float32 exp, log, tanh and erf are polynomials (``backends.numba_functions``).
"""

from __future__ import annotations

from learnkit.fusion.operations import OPERATIONS
from learnkit.fusion.symbols import Symbol
from learnkit.fusion.trace import Trace, live

__all__ = ["CHUNK", "numba_source"]

#: Elements whose sum is one partial sum: fixed, so that a sum has the same bits for any number of threads.
CHUNK = 4096

_HEAD = """import math

import numba
import numpy as np

from learnkit.backends.numba_functions import *
from learnkit.backends.native.intrinsics import pointer
"""
#: What a team of threads calls (``backends.native``): the same kernel, with its arguments at an address.
_ENTRY = """

@numba.cfunc(numba.void(numba.intp, numba.intp, numba.intp), cache=True, error_model='numpy')
def entry(lo, hi, address):
    x = numba.carray(pointer(address, np.int64(0)), {count})
    s = numba.carray(pointer(address, np.float64(0)), {count})
    kernel(lo, hi, {arguments})
"""
#: Whose arrays an entry can be given: numbers of these dtypes lie in memory as in registers.
_ENTERED = frozenset(
    ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
)


def numba_source(trace: Trace, targets: tuple[int | None, ...]) -> str:
    """Source of ``kernel(lo, hi, *arrays, *new, *scalars)`` for elements (or chunks of a sum) lo to hi.

    Where all dtypes allow it, there is also ``entry(lo, hi, address)`` for the same with its arguments at an
    address: the number of elements, that of chunks, addresses of arrays, and scalars.

    Args:
        trace: what to compute.
        targets: for each output the argument that it overwrites, or ``None`` for an array of its own.
    """
    written = _Written(trace)
    arrays, signature = written.arrays()
    new = [f"o{j}" for j, target in enumerate(targets) if target is None]
    signature += [_array(str(trace.outputs[j].dtype)) for j, t in enumerate(targets) if t is None]
    scalars = [f"s_{name}" for name in trace.scalars]
    signature += ["numba.float64"] * len(scalars)
    if trace.reduction:
        signature[len(arrays)] = _array("float64")
    body = written.loop_of_sums() if trace.reduction else written.loop(targets)
    lines = [*written.preamble]
    full = [i for i in written.used if trace.arguments[i].full]
    if trace.reduction:
        lines.append(f"n_ = a{full[0]}.shape[0]")
    else:
        lines += [f"x{i} = a{i}[lo:hi]" for i in full]
        lines += [f"y{o[1:]} = {o}[lo:hi]" for o in new]
        lines.append(f"n_ = {'y' + new[0][1:] if new else f'x{full[0]}'}.shape[0]")
    parameters = ", ".join(["lo", "hi", *arrays, *new, *scalars])
    types = ", ".join(["numba.intp", "numba.intp", *signature])
    text = "".join(f"    {line}\n" for line in (*lines, *body))
    dtypes = [str(trace.arguments[i].dtype) for i in written.used]
    lengths = ["x[0]" if trace.arguments[i].full else "1" for i in written.used]
    dtypes += ["float64"] if trace.reduction else [str(trace.outputs[int(o[1:])].dtype) for o in new]
    lengths += ["x[1]"] if trace.reduction else ["x[0]"] * len(new)
    entry = _entry(dtypes, lengths, len(scalars)) if _ENTERED.issuperset(dtypes) else ""
    return (
        f"{_HEAD}\n\n@numba.njit([numba.void({types})], cache=True, nogil=True, error_model='numpy')\n"
        f"def kernel({parameters}):\n{text}{entry}"
    )


def _entry(dtypes: list[str], lengths: list[str], scalars: int) -> str:
    arguments = [
        f"numba.carray(pointer(x[{2 + i}], np.{dtype}(0)), {length})"
        for i, (dtype, length) in enumerate(zip(dtypes, lengths, strict=True))
    ]
    arguments += [f"s[{2 + len(dtypes) + i}]" for i in range(scalars)]
    return _ENTRY.format(count=2 + len(arguments), arguments=", ".join(arguments))


def _array(dtype: str) -> str:
    return f"numba.types.Array(numba.{'boolean' if dtype == 'bool' else dtype}, 1, 'C')"


class _Written:
    """The statements of a trace: those before the loop and those in it."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._outputs = trace.outputs[0].args if trace.reduction else trace.outputs
        self.preamble: list[str] = []
        self._inner: list[str] = []
        self._names: dict[int, str] = {}
        self.used: list[int] = []
        for symbol in live(self._outputs):
            self._write(symbol)
        for i, argument in enumerate(trace.arguments):  # a target that is not read is still an argument
            if argument.full and i not in self.used:
                self.used.append(i)
        self.used.sort()

    def arrays(self) -> tuple[list[str], list[str]]:
        names = [f"a{i}" for i in self.used]
        return names, [_array(str(self._trace.arguments[i].dtype)) for i in self.used]

    def _write(self, s: Symbol) -> None:
        if s.op == "in":
            self.used.append(s.extra)
            name = f"t{s.index}"
            if s.full:
                self._inner.append(f"{name} = x{s.extra}[i]")
            else:
                self.preamble.append(f"{name} = a{s.extra}[0]")
            self._names[s.index] = name
            return
        if s.op == "host":
            self._names[s.index] = f"s_{s.extra}"
            return
        if s.op == "number":
            self._names[s.index] = f"s_c{s.extra}"
            return
        if s.op == "const":
            self._names[s.index] = _constant(s)
            return
        args = [self._names[a.index] for a in s.args]
        if s.op == "spread":
            text = args[0]
        elif s.op == "cast":
            narrow = s.dtype.kind in "iu" and s.dtype.itemsize < 4  # as NumPy, by way of a wider integer
            text = f"np.{_numpy_name(str(s.dtype))}({f'np.int64({args[0]})' if narrow else args[0]})"
        elif s.op == "where":
            text = f"({args[1]} if {args[0]} else {args[2]})"
        else:
            text = OPERATIONS[s.op].numba.format(*args)
            text = _typed(text, str(s.args[0].dtype))
            # Numba computes with 64 bits wherever integers meet, NumPy with those of the dtype.
            if s.dtype.kind in "iu" or (s.dtype.kind == "f" and text.startswith("math.")):
                text = f"np.{s.dtype}({text})"
        name = f"t{s.index}"
        (self._inner if s.full else self.preamble).append(f"{name} = {text}")
        self._names[s.index] = name

    def loop(self, targets: tuple[int | None, ...]) -> list[str]:
        stores = []
        for j, (output, target) in enumerate(zip(self._outputs, targets, strict=True)):
            if target is None:
                stores.append(f"y{j}[i] = {self._names[output.index]}")
            elif not (output.op == "in" and output.extra == target):
                stores.append(f"x{target}[i] = {self._names[output.index]}")
        return ["for i in range(n_):", *(f"    {line}" for line in (*self._inner, *stores))]

    def loop_of_sums(self) -> list[str]:
        """Each chunk into a buffer that stays in the cache, and the sum of that in double precision."""
        output = self._outputs[0]
        full = [i for i in self.used if self._trace.arguments[i].full]
        return [
            f"buffer = np.empty({CHUNK}, np.{output.dtype})",
            "for chunk in range(lo, hi):",
            f"    start = chunk * {CHUNK}",
            f"    stop = min(n_, start + {CHUNK})",
            *(f"    x{i} = a{i}[start:stop]" for i in full),
            "    length = stop - start",
            "    for i in range(length):",
            *(f"        {line}" for line in self._inner),
            f"        buffer[i] = {self._names[output.index]}",
            "    o0[chunk] = sum_of(buffer[:length])",
        ]


def _numpy_name(dtype: str) -> str:
    return "bool_" if dtype == "bool" else dtype


def _constant(s: Symbol) -> str:
    kind, text = s.extra
    if not text.lstrip("-")[0].isdigit() and kind == "float":  # inf, nan
        text = text.replace("inf", "np.inf").replace("nan", "np.nan")
    return text if s.dtype is None else f"np.{_numpy_name(str(s.dtype))}({text})"


def _typed(text: str, dtype: str) -> str:
    """With the functions and constants of a dtype: ``_exp`` is ``exp_32`` or ``exp_64``."""
    if "_" not in text:
        return text
    bits = dtype.removeprefix("float")
    for name in ("exp", "log", "tanh", "erf", "log1p", "expm1", "hypot", "logaddexp"):
        text = text.replace(f"_{name}(", f"{name}_{bits}(")
    return text.replace("_one", f"np.{dtype}(1)").replace("_zero", f"np.{dtype}(0)")
