"""Imports point downwards, and importing learnkit costs next to nothing."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import learnkit

ROOT = Path(learnkit.__file__).parent
CORE = {"numpy", "array_api_compat", "pluggy"}

_LOW = {"errors", "checks", "plugins"}
_ARRAYS = {*_LOW, "backends"}
_MODELS = {*_ARRAYS, "fusion", "autodiff"}
_PARTS = {*_MODELS, "nn", "losses", "optim", "schedules", "metrics", "data", "augment"}
#: part: the parts it may import. ``plugins.builtin`` is a part of its own, high up.
MAY_IMPORT = {
    "errors": set(),
    "checks": {"errors"},
    "plugins": {"errors"},
    "conventions": _LOW,
    "backends": _LOW,
    "autodiff": {*_ARRAYS, "fusion"},
    "fusion": _ARRAYS,
    "nn": _MODELS,
    "losses": _MODELS,
    "schedules": _ARRAYS,
    "optim": {*_ARRAYS, "fusion", "schedules"},
    "metrics": _ARRAYS,
    "data": _ARRAYS,
    "augment": _ARRAYS,
    "training": _PARTS,
    "plugins.builtin": {*_PARTS, "training"},
    "bench": {*_PARTS, "training", "plugins.builtin", "testing"},
    "testing": {*_PARTS, "training", "plugins.builtin"},
    "config": {*_PARTS, "training", "plugins.builtin"},
    "interop": {*_PARTS, "training", "plugins.builtin", "config"},
    "cli": {*_PARTS, "training", "plugins.builtin", "config", "interop", "testing", "bench"},
    "__main__": {"cli"},
}
#: The only parts that call NumPy by its name; all others use the namespace of their arrays.
USES_NUMPY = {"backends", "bench", "fusion", "data", "cli", "testing", "interop"}


def files():
    """Module name and path of every file, but for the packages that stand in for CuPy."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        if not {"cupy", "cupyx"} & set(parts[parts.index("testing") :] if "testing" in parts else ()):
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(files())


def needs_numba(module):
    """Whether a module holds what Numba compiles."""
    return module.startswith(
        ("learnkit.backends.compiled_", "learnkit.backends.numba_", "learnkit.backends.native.")
    )


def part_of(module):
    """``learnkit.nn.linear`` -> ``nn``."""
    if module.startswith("learnkit.plugins.builtin"):
        return "plugins.builtin"
    return module.split(".")[1] if "." in module else ""


def imports(path):
    """(module, line, at module level) of each import that is executed; those for type checkers are not."""
    found = []

    def visit(node, top):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            found.extend((alias.name, node.lineno, top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            found.append((node.module, node.lineno, top))
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if name in MODULES:
                    found.append((name, node.lineno, top))
                elif node.module == "learnkit" and alias.name in learnkit._WHERE:
                    found.append((learnkit._WHERE[alias.name], node.lineno, top))
        inner = top and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            visit(child, inner)

    visit(ast.parse(path.read_text(encoding="utf-8")), True)
    return found


def test_every_part_has_a_place():
    assert {part_of(m) for m in MODULES} - {""} <= set(MAY_IMPORT)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    """At module level and inside functions alike, and never sideways to a part that is not listed."""
    part = part_of(module)
    wrong = []
    for name, line, _ in imports(MODULES[module]):
        other = part_of(name) if name.startswith("learnkit.") else part
        if part and other != part and other not in MAY_IMPORT[part]:
            wrong.append(f"line {line}: {name}")
    assert not wrong, f"{module} imports upwards: {wrong}"


@pytest.mark.parametrize("module", MODULES)
def test_only_core_libraries_are_imported_at_module_level(module):
    """Everything else is an extra: imported where it is used, so that it can be missing."""
    allowed = {*sys.stdlib_module_names, *CORE, "learnkit"}
    if part_of(module) == "cli" and module != "learnkit.cli":
        allowed |= {"click", "rich", "msgspec"}
    if needs_numba(module):  # imported when the first compiled loop is needed
        allowed |= {"numba", "llvmlite"}
    if module == "learnkit.testing.pytest_plugin":  # only pytest imports it
        allowed |= {"pytest"}
    wrong = {
        name.split(".")[0]
        for name, _, top in imports(MODULES[module])
        if top and name.split(".")[0] not in allowed
    }
    assert not wrong, f"{module} needs {wrong} at import"


@pytest.mark.parametrize("module", MODULES)
def test_numpy_is_called_by_name_in_few_parts_only(module):
    if part_of(module) not in USES_NUMPY:
        names = {name.split(".")[0] for name, _, _ in imports(MODULES[module])}
        assert "numpy" not in names, f"{module} imports NumPy; take the namespace of the arrays"


OTHERS = [
    *("torch", "cupy", "cupyx", "jax", "array_api_strict", "scipy", "pandas", "sklearn", "numba"),
    *("click", "rich", "msgspec", "safetensors", "matplotlib", "yaml", "requests"),
]


def loaded_after(code, watched):
    """Which of the watched modules a fresh interpreter has loaded after ``code``."""
    program = f"{code}\nimport sys\nprint(*[m for m in {watched!r} if m in sys.modules])"
    environment = {**os.environ, "LEARNKIT_FUSE": "blocks"}  # without Numba, where that is installed
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_importing_learnkit_imports_no_array_library_at_all():
    assert loaded_after("import learnkit", ["numpy", "array_api_compat", "pluggy", *OTHERS]) == []


@pytest.mark.parametrize(
    "code",
    [
        "import learnkit.training",
        "from learnkit import *",
        "import learnkit as lk; lk.Trainer(lk.nn.Linear(1, 1), 'mse').step([[1.0]], [1.0])",
        "from learnkit.plugins import registry; registry.names('optimizer', third_party=False)",
        "from learnkit import autodiff, data, losses, metrics, nn, optim, schedules, testing",
    ],
)
def test_using_learnkit_imports_no_array_library_but_numpy(code):
    """Training on NumPy needs none of the extras either."""
    assert loaded_after(code, ["numpy", *OTHERS]) == ["numpy"]
