"""What to do about each sort of mistake, and where in a source one stands."""

from __future__ import annotations

import ast
from dataclasses import dataclass

__all__ = ["REMEDIES", "Spot", "spot_at"]

#: What to do about each sort of mistake.
REMEDIES: dict[str, str] = {
    "numpy": (
        "call the function of the array's own library: xp = array_namespace(x) "
        "(from learnkit import array_namespace), then xp.{name}(...)"
    ),
    "host": (
        "keep it an array: {name} brings a value to the host and waits for the device; leave the conversion "
        "out and compute with 0-d arrays"
    ),
    "math": "functions of math take one Python number; call xp.{name}(...) of xp = array_namespace(x)",
    "control": (
        "Python cannot branch on the values of an array: compute both cases and choose with "
        "xp.where(condition, a, b)"
    ),
    "builtin": "{name}() walks over an array element by element; call xp.{function}(...) instead",
    "mask_write": "masks cannot be assigned to: write x = xp.where(mask, value, x)",
    "mask_read": (
        "a mask gives an array whose shape depends on values: keep all elements and hide those that do not "
        "count with xp.where(mask, x, 0.0)"
    ),
    "item_write": "arrays and variables are not written to: build a new array, with xp.where or xp.concat",
    "method": "arrays have no methods in the standard: write xp.{function}(x, ...) instead of x.{name}(...)",
    "clip": (
        "xp.clip waits for the device on CuPy: write xp.minimum(xp.maximum(x, low), high) with "
        "arrays, or xp.where"
    ),
    "dynamic": (
        "xp.{name} gives a shape that depends on values and waits for the device: use xp.where or a mask"
    ),
    "creation": (
        "say where the new array lives and what it is made of: "
        "xp.{name}(..., dtype=x.dtype, device=array_api_compat.device(x))"
    ),
    "number": "write a Python float or int: a number of NumPy is an array of another library",
    "draws": "pass seed, and stream or step, on to the generator",
    "random": (
        "draw from learnkit's counter-based generator: kernels_of(x).random_uniform(shape, seed=..., "
        "stream=..., "
        "step=..., device=...), a pure function of its arguments"
    ),
    "state": (
        "keep nothing between calls: what changes from step to step is a slot, a buffer or state(), "
        "and the rest "
        "is computed from the arguments"
    ),
    "inplace": "arguments are not changed: make a new array, x = xp.add(x, y) instead of x += y",
    "wide": "keep the dtype of the input: dtype=x.dtype, and Python floats for numbers",
    "integer": "keep floating-point numbers: xp.astype(y, x.dtype) where an integer or a boolean comes out",
    "reduction": "reduce over the axes of one example only: axis=1 or later, and the batch axis stays",
    "detach": "the gradient stops here: leave out stop_gradient and .data on the way to the result",
    "singular": (
        "guard the argument before the function sees it, and choose afterwards: "
        "safe = xp.where(x > 0, x, 1.0), then xp.where(x > 0, xp.log(safe), 0.0); or add eps"
    ),
}


@dataclass(frozen=True)
class Spot:
    """A construct that may be a mistake.

    Attributes:
        sort: a key of :data:`REMEDIES`.
        line, end: of the expression or statement.
        remedy: what to write instead.
        name: of the function or attribute concerned.
    """

    sort: str
    line: int
    end: int
    remedy: str
    name: str


def spot_at(sort: str, node: ast.AST, name: str = "", function: str = "") -> Spot:
    """The spot of a node of a source; ``name`` and ``function`` fill the remedy in."""
    line = getattr(node, "lineno", 0)
    remedy = REMEDIES[sort].format(name=name or "...", function=function or name or "...")
    return Spot(sort, line, getattr(node, "end_lineno", line) or line, remedy, name)
