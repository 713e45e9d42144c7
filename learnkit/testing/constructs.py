"""Constructs that may be mistakes: how each looks in the tree of a source."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace

from learnkit.testing.remedies import REMEDIES, Spot, spot_at

__all__ = ["RULES", "imported_names"]

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


def imported_names(tree: ast.Module) -> dict[str, str]:
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


def _calls(node: ast.AST, modules: dict[str, str]) -> Iterator[Spot]:
    if not isinstance(node, ast.Call):
        return
    called = node.func
    if isinstance(called, ast.Name):
        source = modules.get(called.id, "")
        if called.id in _HOST and node.args and not isinstance(node.args[0], ast.Constant):
            yield spot_at("host", node, f"{called.id}()")
        elif called.id in _BUILTINS and node.args:
            yield spot_at("builtin", node, called.id, _BUILTINS[called.id])
        elif source.split(".")[0] in ("numpy", "scipy"):
            yield _of_numpy(node, source.partition(".")[2])
        elif source.startswith("math."):
            yield spot_at("math", node, called.id)
        if called.id in ("stop_gradient", "plain_value"):
            yield spot_at("detach", node, called.id)
        if called.id in _RANDOM:
            yield spot_at("random", node, called.id)
        if called.id.startswith("philox_"):
            yield spot_at("draws", node, called.id)
        if called.id in _SINGULAR:
            yield spot_at("singular", node, called.id)
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
        yield spot_at("math", node, name)
    if (
        (module in ("random", "secrets", "uuid", "time", "os") and name in _RANDOM | {"choice", "sample"})
        or (".random." in f".{ast.unparse(called)}." and module)
        or (
            name in ("normal", "uniform", "standard_normal", "random", "integers", "shuffle") and root != "xp"
        )
    ):
        yield spot_at("random", node, name)
    if name.startswith(("random_", "philox_")):
        yield spot_at("draws", node, name)
    if name in _HOST_METHODS and not module:
        yield spot_at("host", node, f".{name}()")
    if name in ("clip", "clamp"):
        yield spot_at("clip", node, name)
    if name in _DYNAMIC or (name == "where" and len(node.args) + len(node.keywords) == 1):
        yield spot_at("dynamic", node, name)
    if name in _CREATION and not module.startswith("math") and not {"dtype", "device"} <= keywords:
        spot = spot_at("creation", node, _STANDARD.get(name, name))
        like = f", or xp.{name}_like(x)" if name in _LIKE else ""
        yield replace(spot, remedy=spot.remedy + like)
    if name in _SINGULAR:
        yield spot_at("singular", node, name)
    if name in ("mean", "sum", "max", "min", "prod", "std", "var", "median") and (
        "axis" not in keywords and len(node.args) < 2
    ):
        yield spot_at("reduction", node, name)
    if name in ("stop_gradient", "plain_value", "detach"):
        yield spot_at("detach", node, name)
    if name in _METHODS and not module and not of_library and root not in ("self", "cls"):
        yield spot_at("method", node, name, _METHODS[name])
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
        yield spot_at("state", node, name)
    if ast.unparse(called) in ("object.__setattr__", "setattr"):
        yield spot_at("state", node, name)
    if name in ("argmax", "argmin", "argsort", "count_nonzero", "searchsorted", "floor", "round"):
        yield spot_at("integer", node, name)


def _of_numpy(node: ast.Call, path: str) -> Spot:
    """A call of NumPy's, and what to call instead: ``path`` is behind the name of the library."""
    spot = spot_at("numpy", node, _STANDARD.get(path, path))
    return replace(spot, remedy=REMEDIES["number"]) if path in _NUMBERS else spot


_NAMESPACES = ("np", "numpy", "torch", "jnp", "cupy", "cp")


def _attributes(node: ast.AST, modules: dict[str, str]) -> Iterator[Spot]:
    if isinstance(node, ast.Attribute):
        if node.attr == "data" and isinstance(node.ctx, ast.Load):
            yield spot_at("detach", node, ".data")
        if node.attr in ("T", "mT", "size", "real", "imag") and isinstance(node.value, ast.Name):
            function = {"T": "matrix_transpose", "mT": "matrix_transpose"}.get(node.attr, node.attr)
            yield spot_at("method", node, node.attr, function)
        if node.attr in ("float64", "double"):
            yield spot_at("wide", node, node.attr)
        if node.attr in ("int32", "int64", "bool", "bool_"):
            yield spot_at("integer", node, node.attr)
    elif isinstance(node, ast.Constant) and node.value == "float64":
        yield spot_at("wide", node, "float64")
    elif isinstance(node, ast.Constant) and node.value in ("int32", "int64"):
        yield spot_at("integer", node, str(node.value))


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
        yield spot_at("control", test)


def _writes(node: ast.AST, modules: dict[str, str]) -> Iterator[Spot]:
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = [t for target in node.targets for t in _unpacked(target)]
    elif isinstance(node, ast.AugAssign | ast.AnnAssign) and getattr(node, "value", None) is not None:
        targets = [node.target]
    for target in targets:
        if isinstance(target, ast.Subscript):
            yield spot_at("item_write", node)
            yield spot_at("inplace", node)
            if _is_mask(target.slice):
                yield spot_at("mask_write", node)
            base = target.value
            if (
                isinstance(base, ast.Attribute)
                or (isinstance(base, ast.Name) and base.id.isupper())
                or (isinstance(base, ast.Name) and base.id.startswith("_"))
            ):
                yield spot_at("state", node)
        elif isinstance(target, ast.Attribute):
            yield spot_at("state", node, target.attr)
        elif isinstance(node, ast.AugAssign):
            yield spot_at("inplace", node)
    if isinstance(node, ast.Global | ast.Nonlocal):
        yield spot_at("state", node)
    if isinstance(node, ast.Call) and any(k.arg == "out" for k in node.keywords):
        yield spot_at("inplace", node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.Pow | ast.FloorDiv):
        yield spot_at("singular", node, "/" if isinstance(node.op, ast.Div) else "**")
        if isinstance(node.op, ast.FloorDiv):
            yield spot_at("integer", node, "//")


def _reads(node: ast.AST, modules: dict[str, str]) -> Iterator[Spot]:
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and _is_mask(node.slice):
        yield spot_at("mask_read", node)


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


#: Each gives the spots that begin at a node, of the node and of :func:`imported_names` of its file.
RULES: tuple[Callable[[ast.AST, dict[str, str]], Iterator[Spot]], ...] = (
    _calls,
    _attributes,
    _branches,
    _writes,
    _reads,
)
