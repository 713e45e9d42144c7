"""Mistakes that can be seen in the source: what stands at a line, and what to write there instead.

A check that fails knows that something is wrong, and often on which line it came to light. What stands there,
and what should, is read from the source.
"""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

__all__ = ["REMEDIES", "Spot", "at", "function_around", "in_class", "near", "spots"]

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

_HOST = {"float", "int", "bool", "complex"}
_HOST_METHODS = {"item", "tolist", "get", "numpy", "cpu", "__float__", "to_numpy"}
_BUILTINS = {"max": "maximum", "min": "minimum", "sum": "sum", "any": "any", "all": "all", "abs": "abs"}
_METHODS = {
    **{
        name: name
        for name in "sum mean max min std var prod any all reshape astype argmax argmin take".split()
    },
    "squeeze": "squeeze",
    "round": "round",
    "cumsum": "cumulative_sum",
    "flatten": "reshape",
    "transpose": "permute_dims",
    "dot": "matmul",
    "copy": "asarray",
    "ravel": "reshape",
    "repeat": "repeat",
    "swapaxes": "permute_dims",
    "sqrt": "sqrt",
    "exp": "exp",
    "log": "log",
    "abs": "abs",
    "pow": "pow",
    "float": "astype",
    "double": "astype",
    "to": "astype",
    "view": "reshape",
    "norm": "linalg.vector_norm",
    "square": "square",
    "clamp": "minimum",
    "sort": "sort",
    "argsort": "argsort",
    "nonzero": "where",
    "fill": "full_like",
    "mm": "matmul",
    "matmul": "matmul",
    "permute": "permute_dims",
    "type": "astype",
}
_CREATION = set("zeros ones full empty asarray arange linspace eye array tensor".split())
_DYNAMIC = {"nonzero", "unique", "unique_values", "unique_counts", "unique_inverse", "unique_all", "argwhere"}
_SINGULAR = {"log", "log2", "log10", "log1p", "sqrt", "divide", "pow", "power", "reciprocal", "acos", "asin"}
_SINGULAR |= {"exp", "expm1", "cosh", "sinh", "vector_norm", "norm", "atanh", "acosh", "hypot", "rsqrt"}
_RANDOM = {"random", "default_rng", "RandomState", "randn", "rand", "uuid4", "urandom", "time", "time_ns"}
_RANDOM |= {"normal", "uniform", "randint", "perf_counter", "shuffle", "permutation", "gauss", "getrandbits"}


_LIKE = {"zeros", "ones", "full", "empty"}
_NUMBERS = {"float16", "float32", "float64", "int32", "int64", "float_", "double"}
#: What the standard calls functions that NumPy, or its users, call otherwise.
_STANDARD = {
    "array": "asarray",
    "tensor": "asarray",
    "absolute": "abs",
    "power": "pow",
    "concatenate": "concat",
    "transpose": "permute_dims",
    "linalg.norm": "linalg.vector_norm",
    "cumsum": "cumulative_sum",
    "dot": "matmul",
    **{f"arc{name}": f"a{name}" for name in ("sin", "cos", "tan", "tan2", "sinh", "cosh", "tanh")},
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


def _text(file: str) -> str:
    """The source, of a cell of a notebook too."""
    linecache.checkcache(file)
    return "".join(linecache.getlines(file))


@functools.lru_cache(maxsize=64)
def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return None


def _tree(file: str) -> ast.Module | None:
    return _parsed(_text(file))


def _modules(tree: ast.Module) -> dict[str, str]:
    """Names that stand for modules in a file, ``{"np": "numpy"}``, and for what comes from them."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.split(".")[0]] = alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def _root(node: ast.AST) -> str:
    """``np`` of ``np.linalg.norm``."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _spot(sort: str, node: ast.AST, name: str = "", function: str = "") -> Spot:
    line = getattr(node, "lineno", 0)
    remedy = REMEDIES[sort].format(name=name or "...", function=function or name or "...")
    return Spot(sort, line, getattr(node, "end_lineno", line) or line, remedy, name)


def spots(file: str) -> tuple[Spot, ...]:
    """All constructs of a file that may be mistakes, in the order of their lines."""
    return _spots_in(_text(file))


@functools.lru_cache(maxsize=64)
def _spots_in(text: str) -> tuple[Spot, ...]:
    tree = _parsed(text)
    if tree is None:
        return ()
    modules = _modules(tree)
    found: list[Spot] = []
    for node in ast.walk(tree):
        for rule in _RULES:
            found.extend(rule(node, modules))
    return tuple(sorted(found, key=lambda spot: spot.line))


def at(file: str, line: int, *sorts: str) -> Spot | None:
    """The construct of one of ``sorts`` at a line, the first sort first; of any sort if none is named."""
    here = [s for s in spots(file) if s.line <= line <= s.end]
    for sort in sorts or tuple(REMEDIES):
        fitting = [s for s in here if s.sort == sort]
        if fitting:
            return min(fitting, key=lambda s: s.end - s.line)
    return None


def near(file: str, line: int, *sorts: str) -> Spot | None:
    """The nearest construct of one of ``sorts`` at a line or before it, within the same function."""
    first, last = function_around(file, line)
    inside = [s for s in spots(file) if s.sort in sorts and first <= s.line <= last]
    before = [s for s in inside if s.line <= line]
    if before:
        return max(before, key=lambda s: (s.line, -sorts.index(s.sort)))
    return min(inside, key=lambda s: s.line, default=None)


def function_around(file: str, line: int) -> tuple[int, int]:
    """First and last line of the innermost function that holds a line, or of the file."""
    best = (1, 10**9)
    tree = _tree(file)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            first, last = node.lineno, node.end_lineno or node.lineno
            if first <= line <= last and last - first < best[1] - best[0]:
                best = first, last
    return best


def in_class(file: str, name: str) -> ast.ClassDef | None:
    """The definition of a class."""
    tree = _tree(file)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node
    return None


# The rules: each gives the spots that begin at a node


def _calls(node: ast.AST, modules: dict[str, str]) -> Iterator[Spot]:
    if not isinstance(node, ast.Call):
        return
    called = node.func
    if isinstance(called, ast.Name):
        source = modules.get(called.id, "")
        if called.id in _HOST and node.args and not isinstance(node.args[0], ast.Constant):
            yield _spot("host", node, f"{called.id}()")
        elif called.id in _BUILTINS and node.args:
            yield _spot("builtin", node, called.id, _BUILTINS[called.id])
        elif source.split(".")[0] in ("numpy", "scipy"):
            yield _of_numpy(node, source.partition(".")[2])
        elif source.startswith("math."):
            yield _spot("math", node, called.id)
        if called.id in ("stop_gradient", "plain_value"):
            yield _spot("detach", node, called.id)
        if called.id in _RANDOM:
            yield _spot("random", node, called.id)
        if called.id.startswith("philox_"):
            yield _spot("draws", node, called.id)
        if called.id in _SINGULAR:
            yield _spot("singular", node, called.id)
        return
    if not isinstance(called, ast.Attribute):
        return
    name, root = called.attr, _root(called)
    module = modules.get(root, "").split(".")[0]
    keywords = {k.arg for k in node.keywords}
    of_library = root == "xp" or name.endswith("_like") or module in ("numpy", "torch", "cupy")
    if module in ("numpy", "scipy") and ".random" not in ast.unparse(called):
        yield _of_numpy(node, ast.unparse(called).partition(".")[2])
    if module == "math":
        yield _spot("math", node, name)
    if (
        (module in ("random", "secrets", "uuid", "time", "os") and name in _RANDOM | {"choice", "sample"})
        or (".random." in f".{ast.unparse(called)}." and module)
        or (
            name in ("normal", "uniform", "standard_normal", "random", "integers", "shuffle") and root != "xp"
        )
    ):
        yield _spot("random", node, name)
    if name.startswith(("random_", "philox_")):
        yield _spot("draws", node, name)
    if name in _HOST_METHODS and not module:
        yield _spot("host", node, f".{name}()")
    if name in ("clip", "clamp"):
        yield _spot("clip", node, name)
    if name in _DYNAMIC or (name == "where" and len(node.args) + len(node.keywords) == 1):
        yield _spot("dynamic", node, name)
    if name in _CREATION and not module.startswith("math") and not {"dtype", "device"} <= keywords:
        spot = _spot("creation", node, _STANDARD.get(name, name))
        like = f", or xp.{name}_like(x)" if name in _LIKE else ""
        yield replace(spot, remedy=spot.remedy + like)
    if name in _SINGULAR:
        yield _spot("singular", node, name)
    if name in ("mean", "sum", "max", "min", "prod", "std", "var", "median") and (
        "axis" not in keywords and len(node.args) < 2
    ):
        yield _spot("reduction", node, name)
    if name in ("stop_gradient", "plain_value", "detach"):
        yield _spot("detach", node, name)
    if name in _METHODS and not module and not of_library and root not in ("self", "cls"):
        yield _spot("method", node, name, _METHODS[name])
    if name in (
        "append",
        "extend",
        "update",
        "setdefault",
        "pop",
        "add",
        "insert",
        "clear",
        "appendleft",
    ) and (
        isinstance(called.value, ast.Attribute | ast.Name) and root not in ("xp", *_NAMESPACES) and not module
    ):
        yield _spot("state", node, name)
    if ast.unparse(called) in ("object.__setattr__", "setattr"):
        yield _spot("state", node, name)
    if name in ("argmax", "argmin", "argsort", "count_nonzero", "searchsorted", "floor", "round"):
        yield _spot("integer", node, name)


def _of_numpy(node: ast.Call, path: str) -> Spot:
    """A call of NumPy's, and what to call instead: ``path`` is behind the name of the library."""
    spot = _spot("numpy", node, _STANDARD.get(path, path))
    return replace(spot, remedy=REMEDIES["number"]) if path in _NUMBERS else spot


_NAMESPACES = ("np", "numpy", "torch", "jnp", "cupy", "cp")


def _attributes(node: ast.AST, modules: dict[str, str]) -> Iterator[Spot]:
    if isinstance(node, ast.Attribute):
        if node.attr == "data" and isinstance(node.ctx, ast.Load):
            yield _spot("detach", node, ".data")
        if node.attr in ("T", "mT", "size", "real", "imag") and isinstance(node.value, ast.Name):
            function = {"T": "matrix_transpose", "mT": "matrix_transpose"}.get(node.attr, node.attr)
            yield _spot("method", node, node.attr, function)
        if node.attr in ("float64", "double"):
            yield _spot("wide", node, node.attr)
        if node.attr in ("int32", "int64", "bool", "bool_"):
            yield _spot("integer", node, node.attr)
    elif isinstance(node, ast.Constant) and node.value == "float64":
        yield _spot("wide", node, "float64")
    elif isinstance(node, ast.Constant) and node.value in ("int32", "int64"):
        yield _spot("integer", node, str(node.value))


def _branches(node: ast.AST, modules: dict[str, str]) -> Iterator[Spot]:
    tests: list[ast.AST] = []
    if isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert):
        tests = [node.test]
    elif (
        isinstance(node, ast.BoolOp)
        or (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not))
        or (isinstance(node, ast.Compare) and len(node.ops) > 1)
    ):
        tests = [node]
    elif isinstance(node, ast.comprehension):
        tests = list(node.ifs)
    for test in tests:
        yield _spot("control", test)


def _writes(node: ast.AST, modules: dict[str, str]) -> Iterator[Spot]:
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = [t for target in node.targets for t in _unpacked(target)]
    elif isinstance(node, ast.AugAssign | ast.AnnAssign) and getattr(node, "value", None) is not None:
        targets = [node.target]
    for target in targets:
        if isinstance(target, ast.Subscript):
            yield _spot("item_write", node)
            yield _spot("inplace", node)
            if _is_mask(target.slice):
                yield _spot("mask_write", node)
            base = target.value
            if (
                isinstance(base, ast.Attribute)
                or (isinstance(base, ast.Name) and base.id.isupper())
                or (isinstance(base, ast.Name) and base.id.startswith("_"))
            ):
                yield _spot("state", node)
        elif isinstance(target, ast.Attribute):
            yield _spot("state", node, target.attr)
        elif isinstance(node, ast.AugAssign):
            yield _spot("inplace", node)
    if isinstance(node, ast.Global | ast.Nonlocal):
        yield _spot("state", node)
    if isinstance(node, ast.Call) and any(k.arg == "out" for k in node.keywords):
        yield _spot("inplace", node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.Pow | ast.FloorDiv):
        yield _spot("singular", node, "/" if isinstance(node.op, ast.Div) else "**")
        if isinstance(node.op, ast.FloorDiv):
            yield _spot("integer", node, "//")


def _reads(node: ast.AST, modules: dict[str, str]) -> Iterator[Spot]:
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and _is_mask(node.slice):
        yield _spot("mask_read", node)


def _is_mask(index: ast.AST) -> bool:
    """Whether an index may be a mask: a comparison, a call, or a name that is no plain position."""
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    masks = (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.BinOp)
    return any(
        (isinstance(part, masks) and not _is_number(part))
        or isinstance(part, ast.Call)
        or (isinstance(part, ast.Name) and len(part.id) > 1)
        for part in parts
    )


def _is_number(node: ast.AST) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def _unpacked(target: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, ast.Tuple | ast.List):
        for part in target.elts:
            yield from _unpacked(part)
    else:
        yield target


_RULES: tuple[Callable[[ast.AST, dict[str, str]], Iterator[Spot]], ...] = (
    _calls,
    _attributes,
    _branches,
    _writes,
    _reads,
)
