"""What is public is exported, importable and documented."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import learnkit as lk
from learnkit.errors import LearnkitError


def modules():
    """Names of all modules, but for the packages that stand in for CuPy."""
    names = ["learnkit"]
    for found in pkgutil.walk_packages(lk.__path__, "learnkit."):
        if not {"cupy", "cupyx"} & set(found.name.split(".")[2:][1:]):
            names.append(found.name)
    return names


MODULES = modules()


def load(name):
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] != "learnkit":
            pytest.skip(f"{name} needs {error.name}, which is not installed")
        raise


@pytest.mark.parametrize("name", MODULES)
def test_all_names_of_all_exist_and_are_listed_once(name):
    module = load(name)
    assert module.__doc__, f"{name} has no docstring"
    names = getattr(module, "__all__", [])
    assert len(names) == len(set(names))
    for public in names:
        assert hasattr(module, public), f"{name}.__all__ lists {public!r}, which is not there"


@pytest.mark.parametrize("name", MODULES)
def test_packages_export_all_that_they_import_from_their_modules(name):
    """A public name that a package holds of its own modules, and does not list, was forgotten."""
    module = load(name)
    if not hasattr(module, "__path__") or name == "learnkit" or not hasattr(module, "__all__"):
        return
    held = {
        public
        for public, value in vars(module).items()
        if not public.startswith("_")
        and not isinstance(value, ModuleType)
        and str(getattr(value, "__module__", "")).startswith(name)
    }
    assert held <= set(module.__all__), f"{name}.__all__ lacks {sorted(held - set(module.__all__))}"


def test_every_name_of_learnkit_resolves():
    for name in lk.__all__:
        assert getattr(lk, name) is not None
    assert dir(lk) == sorted(lk.__all__)
    assert set(lk._PACKAGES) | set(lk._WHERE) | {"__version__"} == set(lk.__all__)
    with pytest.raises(AttributeError, match="module 'learnkit' has no attribute 'Trainr'"):
        _ = lk.Trainr


@pytest.mark.parametrize("name", MODULES)
def test_public_classes_and_functions_are_documented(name):
    """Each has a docstring of its own; the hooks of the built-in plugin have theirs in the hookspecs."""
    module = load(name)
    missing = []
    for public, value in vars(module).items():
        if public.startswith(("_", "learnkit_register_")) or getattr(value, "__module__", None) != name:
            continue
        if not (inspect.isclass(value) or inspect.isroutine(value)):
            continue
        if not value.__doc__ or value.__doc__.startswith(
            f"{public}("
        ):  # a dataclass writes the latter itself
            missing.append(public)
    assert not missing, f"{name}: no docstring for {missing}"


@pytest.mark.parametrize("name", MODULES)
def test_methods_of_exported_classes_are_documented(name):
    """By a docstring of their own or of the method that they override."""
    module = load(name)
    if not hasattr(module, "__path__"):
        return
    missing = []
    for public in getattr(module, "__all__", []):
        cls = getattr(module, public)
        if inspect.isclass(cls) and cls.__module__.startswith("learnkit"):
            for method, what in vars(cls).items():
                kind = inspect.isroutine(what) or isinstance(what, property)
                if kind and not method.startswith("_") and not inspect.getdoc(getattr(cls, method)):
                    missing.append(f"{public}.{method}")
    assert not missing, f"{name}: no docstring for {missing}"


def test_the_errors_are_one_tree_with_exit_codes():
    errors = [getattr(lk.errors, name) for name in lk.errors.__all__ if name != "did_you_mean"]
    assert all(issubclass(e, LearnkitError) for e in errors)
    assert {e.__name__: e.exit_code for e in errors} == {
        "ArgumentError": 2,
        "BackendError": 5,
        "CallbackError": 1,
        "CheckpointError": 4,
        "DataError": 3,
        "DivergedError": 6,
        "GradientError": 1,
        "LearnkitError": 1,
        "MissingDependencyError": 5,
        "PluginError": 5,
        "ShapeError": 2,
        "UnknownNameError": 2,
    }
    error = LearnkitError("what was wrong", hint="what to do")
    assert str(error) == "what was wrong\n  what to do"
    assert error.hint == "what to do"
    assert str(LearnkitError("alone")) == "alone"
    for kind, builtin in (
        ("ArgumentError", ValueError),
        ("UnknownNameError", LookupError),
        ("DataError", ValueError),
        ("MissingDependencyError", ImportError),
        ("BackendError", RuntimeError),
        ("DivergedError", ArithmeticError),
        ("GradientError", TypeError),
    ):
        assert issubclass(getattr(lk.errors, kind), builtin)


def test_the_nearest_name_is_offered():
    assert lk.errors.did_you_mean("Adm", ["adam", "sgd"]) == " (did you mean 'adam'?)"
    assert lk.errors.did_you_mean("zzz", ["adam", "sgd"]) == ""
