"""The elementwise functions that can be fused: how each is written for Numba, for CUDA and for NumPy.

In a form ``{0}`` and ``{1}`` are the operands, variables or numbers of one dtype. For Numba a name that
begins with ``_`` is a function of ``backends.numba_functions``, which has a version for each dtype. The NumPy
name is that of a universal function with ``out=``.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OPERATIONS", "Operation"]


@dataclass(frozen=True)
class Operation:
    """How one elementwise function is written.

    Args:
        numba, cuda: forms of the operands.
        numpy: name of NumPy's function.
        kind: ``"same"`` gives the operands' dtype, ``"bool"`` booleans.
        takes: dtypes of operands: ``"float"``, ``"numeric"``, ``"bool"`` or ``"any"``.
    """

    numba: str
    cuda: str
    numpy: str
    kind: str = "same"
    takes: str = "float"


def _call(name: str, numba: str = "", cuda: str = "", numpy: str = "", takes: str = "float") -> Operation:
    return Operation(
        (numba or f"math.{name}") + "({0})", (cuda or name) + "({0})", numpy or name, takes=takes
    )


def _infix(sign: str, numpy: str, cuda: str = "", kind: str = "same", takes: str = "numeric") -> Operation:
    return Operation(f"({{0}} {sign} {{1}})", f"({{0}} {cuda or sign} {{1}})", numpy, kind, takes)


OPERATIONS: dict[str, Operation] = {
    "abs": Operation("abs({0})", "abs({0})", "absolute", takes="numeric"),
    "acos": _call("acos", numpy="arccos"),
    "acosh": _call("acosh", numpy="arccosh"),
    "add": _infix("+", "add"),
    "asin": _call("asin", numpy="arcsin"),
    "asinh": _call("asinh", numpy="arcsinh"),
    "atan": _call("atan", numpy="arctan"),
    "atan2": Operation("math.atan2({0}, {1})", "atan2({0}, {1})", "arctan2"),
    "atanh": _call("atanh", numpy="arctanh"),
    "ceil": _call("ceil", "np.ceil"),
    "copysign": Operation("math.copysign({0}, {1})", "copysign({0}, {1})", "copysign"),
    "cos": _call("cos"),
    "cosh": _call("cosh"),
    "divide": _infix("/", "divide", takes="float"),
    "equal": _infix("==", "equal", kind="bool", takes="any"),
    "erf": _call("erf", "_erf", numpy="erf"),
    "exp": _call("exp", "_exp"),
    "expm1": _call("expm1", "_expm1"),
    "floor": _call("floor", "np.floor"),
    "greater": _infix(">", "greater", kind="bool"),
    "greater_equal": _infix(">=", "greater_equal", kind="bool"),
    "hypot": Operation("_hypot({0}, {1})", "hypot({0}, {1})", "hypot"),
    "isfinite": Operation("(abs({0}) < np.inf)", "isfinite({0})", "isfinite", "bool"),
    "isinf": Operation("(abs({0}) == np.inf)", "isinf({0})", "isinf", "bool"),
    "isnan": Operation("({0} != {0})", "isnan({0})", "isnan", "bool"),
    "less": _infix("<", "less", kind="bool"),
    "less_equal": _infix("<=", "less_equal", kind="bool"),
    "log": _call("log", "_log"),
    "log10": _call("log10"),
    "log1p": _call("log1p", "_log1p"),
    "log2": _call("log2", "np.log2"),
    "logaddexp": Operation(
        "_logaddexp({0}, {1})",
        "({0} == {1} ? {0} + 0.6931471805599453 : {0} != {0} || {1} != {1} ? {0} + {1} : "
        "max({0}, {1}) + log1p(exp(-abs({0} - {1}))))",
        "logaddexp",
    ),
    "logical_and": _infix("and", "logical_and", "&&", "bool", "bool"),
    "logical_not": Operation("(not {0})", "!{0}", "logical_not", "bool", "bool"),
    "logical_or": _infix("or", "logical_or", "||", "bool", "bool"),
    "logical_xor": _infix("!=", "logical_xor", kind="bool", takes="bool"),
    "maximum": Operation(
        "({0} if ({0} >= {1} or {0} != {0}) else {1})",
        "(({0} >= {1} || {0} != {0}) ? {0} : {1})",
        "maximum",
        takes="numeric",
    ),
    "minimum": Operation(
        "({0} if ({0} <= {1} or {0} != {0}) else {1})",
        "(({0} <= {1} || {0} != {0}) ? {0} : {1})",
        "minimum",
        takes="numeric",
    ),
    "multiply": _infix("*", "multiply"),
    "negative": Operation("(-{0})", "(-{0})", "negative", takes="numeric"),
    "not_equal": _infix("!=", "not_equal", kind="bool", takes="any"),
    "pow": Operation("({0} ** {1})", "pow({0}, {1})", "power"),
    "reciprocal": Operation("(_one / {0})", "(1 / {0})", "reciprocal"),
    "round": _call("round", "np.rint", "rint", "rint"),
    "sign": Operation(
        "({0} if {0} != {0} else (_one if {0} > 0 else (-_one if {0} < 0 else _zero)))",
        "({0} != {0} ? {0} : ({0} > 0) - ({0} < 0))",
        "sign",
    ),
    "signbit": Operation("(math.copysign(1.0, {0}) < 0)", "(signbit({0}) != 0)", "signbit", "bool"),
    "sin": _call("sin"),
    "sinh": _call("sinh"),
    "sqrt": _call("sqrt", "np.sqrt"),
    "square": Operation("({0} * {0})", "({0} * {0})", "square", takes="numeric"),
    "subtract": _infix("-", "subtract"),
    "tan": _call("tan"),
    "tanh": _call("tanh", "_tanh"),
    "trunc": _call("trunc", "np.trunc"),
}
