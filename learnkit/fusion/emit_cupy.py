"""A trace as the text of a CuPy kernel, which compiles it for the device on its first call."""

from __future__ import annotations

from dataclasses import dataclass

from learnkit.fusion.operations import OPERATIONS
from learnkit.fusion.symbols import Symbol
from learnkit.fusion.trace import Trace, live

__all__ = ["CudaText", "cuda_text"]

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


@dataclass(frozen=True)
class CudaText:
    """The arguments of ``cupy.ElementwiseKernel``, and which arrays it takes.

    Attributes:
        inputs, outputs, body: its texts; the numbers of the host come after the arrays, as float64.
        used: the arguments that are arrays of the kernel.
    """

    inputs: str
    outputs: str
    body: str
    used: tuple[int, ...]


def cuda_text(trace: Trace) -> CudaText:
    """The text of ``trace``; of a sum at the end only the elements, without the sum."""
    outputs = trace.outputs[0].args if trace.reduction else trace.outputs
    symbols = live(outputs)
    used = sorted(
        {s.extra for s in symbols if s.op == "in"} | {i for i, a in enumerate(trace.arguments) if a.full}
    )
    inputs = [f"{trace.arguments[i].dtype} a{i}" for i in used]
    inputs += [f"float64 s_{name}" for name in trace.scalars]
    names: dict[int, str] = {}
    lines = []
    for s in symbols:
        if s.op in ("in", "host", "number", "const"):
            names[s.index] = _leaf(s)
            continue
        c_type = _C_TYPES[str(s.dtype)]
        operands = [
            f"({_C_TYPES[str(_common(s))]}){names[a.index]}" if a.dtype is None else names[a.index]
            for a in s.args
        ]
        if s.op in ("cast", "spread"):
            text = f"({c_type}){names[s.args[0].index]}"
        elif s.op == "where":
            text = f"({operands[0]} ? {operands[1]} : {operands[2]})"
        else:
            text = OPERATIONS[s.op].cuda.format(*(f"({o})" for o in operands))
        names[s.index] = f"t{s.index}"
        # The comment says it in the standard's words, for people, and for whoever has no C++ compiler.
        said = " ".join(names[a.index] for a in s.args)
        lines.append(f"const {c_type} t{s.index} = {text};  /* {s.dtype} {s.op} {said} */")
    # An argument that is a result too is read first: its place may be that of an earlier result.
    for j, y in enumerate(outputs):
        if y.op == "in":
            lines.append(
                f"const {_C_TYPES[str(y.dtype)]} r{j} = {names[y.index]};  /* {y.dtype} spread a{y.extra} */"
            )
    results = [f"r{j}" if y.op == "in" else names[y.index] for j, y in enumerate(outputs)]
    lines += [f"o{j} = {name};  /* result */" for j, name in enumerate(results)]
    return CudaText(
        ", ".join(inputs),
        ", ".join(f"{y.dtype} o{j}" for j, y in enumerate(outputs)),
        "\n".join(lines),
        tuple(used),
    )


def _common(s: Symbol) -> object:
    """The dtype in which an operation computes."""
    return next((a.dtype for a in s.args if a.dtype is not None and a.dtype.kind != "b"), s.dtype)


def _leaf(s: Symbol) -> str:
    if s.op == "in":
        return f"a{s.extra}"
    if s.op == "host":
        return f"s_{s.extra}"
    if s.op == "number":
        return f"s_c{s.extra}"
    kind, text = s.extra
    if kind == "bool":
        text = text.lower()
    elif kind == "float" and not text.lstrip("-")[0].isdigit():
        sign = "-" if text.startswith("-") else ""
        # Written as arithmetic: the compiler of CuPy has no name for them without a header.
        text = f"({sign}1e308*10.0)" if text.endswith("inf") else "(1e308*10.0-1e308*10.0)"
    return text if s.dtype is None else f"(({_C_TYPES[str(s.dtype)]}){text})"
