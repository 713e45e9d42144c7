"""A trace as source of NumPy calls, for blocks of elements that stay in the cache.

Every call writes into a block's buffer or into its place in the result, so nothing is allocated, and the
numbers are those of the function run plainly, bit for bit.
"""

from __future__ import annotations

from learnkit.fusion.operations import OPERATIONS
from learnkit.fusion.symbols import Symbol
from learnkit.fusion.trace import Trace, live

__all__ = ["numpy_source"]

_HEAD = """import numpy as np
from numpy import inf, nan
from learnkit.fusion.numpy_functions import erf
"""


def numpy_source(trace: Trace, targets: tuple[int | None, ...]) -> str:
    """Source of ``kernel(starts, size, *arrays, *new, *scalars)``, for blocks that begin at ``starts``.

    Args:
        trace: what to compute.
        targets: for each output the argument that it overwrites, or ``None`` for an array of its own.
    """
    body = _Body(trace, targets)
    arrays = [f"a{i}" for i in body.used]
    new = [f"o{j}" for j, target in enumerate(targets) if target is None]
    if trace.reduction:
        new = ["o0"]
    scalars = [f"s_{name}" for name in trace.scalars]
    full = [i for i in body.used if trace.arguments[i].full]
    lines = [f"b{k} = np.empty(size, np.{dtype})" for k, dtype in enumerate(body.buffers)]
    lines += body.preamble
    lines += ["for start in starts:", "    stop = start + size"]
    lines += [f"    x{i} = a{i}[start:stop]" for i in full]
    lines += [f"    y{o[1:]} = {o}[start:stop]" for o in new if not trace.reduction]
    if body.buffers:
        lines += [f"    if x{full[0]}.shape[0] != size:"]
        lines += [f"        b{k} = b{k}[: x{full[0]}.shape[0]]" for k in range(len(body.buffers))]
    lines += [f"    {line}" for line in body.lines]
    text = "".join(f"    {line}\n" for line in lines)
    return f"{_HEAD}\n\ndef kernel({', '.join(['starts', 'size', *arrays, *new, *scalars])}):\n{text}"


class _Body:
    """The statements for one block, and the buffers that they use in turn."""

    def __init__(self, trace: Trace, targets: tuple[int | None, ...]) -> None:
        self._trace = trace
        self.lines: list[str] = []
        self.preamble: list[str] = []
        self.buffers: list[str] = []
        self._free: dict[str, list[int]] = {}
        self._names: dict[int, str] = {}
        self._buffer_of: dict[int, int] = {}
        outputs = trace.outputs[0].args if trace.reduction else trace.outputs
        symbols = live(outputs)
        self.used = sorted(
            {s.extra for s in symbols if s.op == "in"} | {i for i, a in enumerate(trace.arguments) if a.full}
        )
        last: dict[int, int] = {}
        for s in symbols:
            for a in s.args:
                last[a.index] = s.index
        for output in outputs:
            last[output.index] = symbols[-1].index + 1
        direct = {} if trace.reduction else self._written_in_place(symbols, last, outputs, targets)
        for s in symbols:
            self._write(s, direct.get(s.index))
            for index in {a.index for a in s.args}:
                if last[index] == s.index and index in self._buffer_of:
                    k = self._buffer_of.pop(index)
                    self._free[self.buffers[k]].append(k)
        if trace.reduction:
            value = self._names[outputs[0].index]
            self.lines.append(f"o0[start // size] = {value}.sum(dtype=np.float64)")
            return
        places = [f"y{j}" if target is None else f"x{target}" for j, target in enumerate(targets)]
        for j, output in enumerate(outputs):
            name = self._names[output.index]
            if output.op == "in" and name in places[:j]:  # overwritten before it is read: slots that move on
                self.lines.insert(0, f"old{j} = {name}.copy()")
                name = f"old{j}"
            if name != places[j]:
                self.lines.append(f"{places[j]}[...] = {name}")

    def _written_in_place(
        self,
        symbols: list[Symbol],
        last: dict[int, int],
        outputs: tuple[Symbol, ...],
        targets: tuple[int | None, ...],
    ) -> dict[int, str]:
        """The outputs that may be computed where they belong, as nobody reads the old values afterwards."""
        inputs = {s.extra: s.index for s in symbols if s.op == "in"}
        places: dict[int, str] = {}
        for j, (output, target) in enumerate(zip(outputs, targets, strict=True)):
            if not output.args or output.index in places or output.dtype is None:
                continue
            if target is None:
                places[output.index] = f"y{j}"
            elif output.dtype == self._trace.arguments[target].dtype:
                read_last = last.get(inputs.get(target, -1), -1)
                if read_last <= output.index and not any(o.index == inputs.get(target) for o in outputs):
                    places[output.index] = f"x{target}"
        return places

    def _place(self, s: Symbol, place: str | None) -> str:
        if place is not None:
            return place
        dtype = "bool_" if str(s.dtype) == "bool" else str(s.dtype)
        free = self._free.setdefault(dtype, [])
        if free:
            k = free.pop()
        else:
            k = len(self.buffers)
            self.buffers.append(dtype)
        self._buffer_of[s.index] = k
        return f"b{k}"

    def _write(self, s: Symbol, place: str | None) -> None:
        if s.op in ("in", "host", "number", "const"):
            self._names[s.index] = _leaf(s)
            return
        args = [self._names[a.index] for a in s.args]
        if not s.full:
            name = f"t{s.index}"
            self.preamble.append(f"{name} = {_scalar(s, args)}")
            self._names[s.index] = name
            return
        if all(a.dtype is None or not a.full for a in s.args) and s.op == "spread":
            out = self._place(s, place)
            self.lines.append(f"{out}[...] = {args[0]}")
        elif s.op == "cast":
            out = self._place(s, place)
            self.lines.append(f"np.copyto({out}, {args[0]}, casting='unsafe')")
        elif s.op == "where":
            # Not into the place of an operand: the second copy would read what the first has overwritten.
            out = self._place(s, None if place in args else place)
            self.lines.append(f"np.copyto({out}, {args[2]})")
            self.lines.append(f"np.copyto({out}, {args[1]}, where={args[0]})")
        else:
            out = self._place(s, place)
            function = OPERATIONS[s.op].numpy
            prefix = "" if function == "erf" else "np."
            self.lines.append(f"{prefix}{function}({', '.join(args)}, out={out})")
        self._names[s.index] = out


def _leaf(s: Symbol) -> str:
    if s.op == "in":
        return f"x{s.extra}" if s.full else f"a{s.extra}[0]"
    if s.op == "host":
        return f"s_{s.extra}"
    if s.op == "number":
        return f"s_c{s.extra}"
    text: str = s.extra[1]
    return text if s.dtype is None else f"np.{'bool_' if s.dtype.kind == 'b' else s.dtype}({text})"


def _scalar(s: Symbol, args: list[str]) -> str:
    dtype = "bool_" if s.dtype.kind == "b" else str(s.dtype)
    if s.op in ("cast", "spread"):
        return f"np.{dtype}({args[0]})"
    if s.op == "where":
        return f"({args[1]} if {args[0]} else {args[2]})"
    function = OPERATIONS[s.op].numpy
    return f"{'' if function == 'erf' else 'np.'}{function}({', '.join(args)})"
