"""What is asked of backends: they bring arrays there and back, and their primitives compute."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from learnkit.autodiff import value_and_grad
from learnkit.backends.base import Backend, array_namespace, type_path
from learnkit.backends.kernels import Kernels
from learnkit.errors import BackendError, MissingDependencyError
from learnkit.nn import Linear
from learnkit.optim import Adam
from learnkit.testing import patterns
from learnkit.testing.check import Check
from learnkit.testing.checks.common import common_checks
from learnkit.testing.checks.kernels import ARGUMENTS
from learnkit.testing.results import CheckFailure, NotApplicable
from learnkit.testing.subject import Subject
from learnkit.training import Trainer

__all__ = ["checks"]


def checks() -> list[Check]:
    """The checks of backends."""
    return [
        *common_checks()[:1],
        Check(
            "contract", _contract, "see learnkit.backends.Backend: name, array_types, xp, device and kernels"
        ),
        Check(
            "transfer",
            _transfer,
            "asarray(x, dtype) brings to the device, to_numpy(x) back, with the same values",
        ),
        Check(
            "primitives",
            _primitives,
            "take learnkit.backends.Kernels(self.xp), and override only what is right",
        ),
        Check(
            "random",
            _random,
            "the generator is counter-based: the numbers of learnkit.backends.random, bit by bit",
        ),
        Check(
            "gradients",
            _gradients,
            "the namespace has to be that of array-api-compat, or pass the standard's tests",
        ),
        Check("trains", _trains, "the same run on NumPy gives the same weights, to rounding"),
    ]


def _made(subject: Subject) -> Any:
    found = subject.component
    if not inspect.isclass(found):
        return found
    try:
        return found()
    except (MissingDependencyError, BackendError) as error:
        raise NotApplicable(error.message) from None


def _contract(subject: Subject, row: str) -> None:
    backend = _made(subject)
    where = subject.author.definition()
    if not isinstance(backend, Backend):
        raise CheckFailure("it is no learnkit.backends.Backend", "derive it from Backend", where)
    for name in ("name", "array_types", "xp", "device", "kernels"):
        if getattr(backend, name, None) is None:
            raise CheckFailure(f"it has no {name}", where=subject.author.definition("__init__") or where)
    x = backend.asarray([1.0, 2.0], "float32")
    paths = {type_path(base) for base in type(x).__mro__}
    if not paths & set(backend.array_types):
        raise CheckFailure(
            f"its arrays are of type {type_path(type(x))}, which is not in array_types "
            f"{tuple(backend.array_types)}",
            f"array_types = ({type_path(type(x))!r},)",
            where,
        )
    if not isinstance(backend.kernels, Kernels):
        raise CheckFailure("its kernels are no learnkit.backends.Kernels", where=where)
    if array_namespace(x) is not backend.xp:
        raise CheckFailure(
            f"the namespace of its arrays is {array_namespace(x)!r}, and xp is {backend.xp!r}",
            "self.xp is array_api_compat.array_namespace of an array of the library",
            subject.author.definition("__init__") or where,
        )
    if not backend.describe():
        raise CheckFailure("describe() is empty", where=subject.author.definition("describe"))


def _transfer(subject: Subject, row: str) -> None:
    backend = _made(subject)
    for dtype in ("float32", "float64", "int32", "int64", "uint8", "bool"):
        values = np.asarray([[1, 0, 3], [0, 5, 6]]).astype(dtype)
        there = backend.asarray(values, dtype)
        back = backend.to_numpy(there)
        if not isinstance(back, np.ndarray) or back.dtype != values.dtype or not np.array_equal(back, values):
            raise CheckFailure(
                f"{dtype} values come back as {back!r}",
                where=subject.author.definition("to_numpy", "asarray"),
            )
        if there.dtype != backend.dtype(dtype):
            raise CheckFailure(
                f"asarray(x, {dtype!r}) gives {there.dtype}",
                where=subject.author.definition("asarray", "dtype"),
            )
    for given in (3.5, [1.0, 2.0], np.zeros((0, 3)), np.asarray(2.0)):
        back = backend.to_numpy(backend.asarray(given, "float32"))
        if not np.array_equal(back, np.asarray(given, dtype="float32")):
            raise CheckFailure(
                f"{given!r} comes back as {back!r}", where=subject.author.definition("asarray")
            )


def _primitives(subject: Subject, row: str) -> None:
    """The table of kernels, its own beside those of NumPy in double precision."""
    from learnkit.backends.base import get_backend

    backend, reference = _made(subject), get_backend("numpy")
    generic = Kernels(reference.xp)

    def bring(to: Any, a: Any, dtype: str) -> Any:
        return (
            to.asarray(np.array(a), dtype if a.dtype.kind == "f" else None)
            if isinstance(a, np.ndarray)
            else a
        )

    with np.errstate(all="ignore"):
        for name, rows in ARGUMENTS.items():
            for args in rows:
                got = getattr(backend.kernels, name)(*(bring(backend, a, "float32") for a in args))
                wanted = getattr(generic, name)(*(bring(reference, a, "float64") for a in args))
                pairs = zip(_parts(got), _parts(wanted), strict=True)
                for g, w in pairs:
                    _close(subject, backend, name, g, w)


def _parts(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def _close(subject: Subject, backend: Any, name: str, got: Any, wanted: Any) -> None:
    a, b = backend.to_numpy(got), np.asarray(wanted)
    finite = b[np.isfinite(b)] if b.dtype.kind == "f" else b
    size = float(np.max(np.abs(finite), initial=0.0))
    if a.shape != b.shape or not np.allclose(a, b, rtol=1e-3, atol=1e-5 * max(size, 1.0), equal_nan=True):
        raise CheckFailure(
            f"its kernel {name} differs from the generic one", where=subject.author.definition(name)
        )


def _random(subject: Subject, row: str) -> None:
    from learnkit.backends import random

    backend = _made(subject)
    options = {"seed": 3, "stream": 5, "step": 7}
    got = backend.to_numpy(backend.kernels.random_uniform((4, 5), device=backend.device, **options))
    wanted = random.philox_uniform((4, 5), dtype="float32", **options)
    if not np.array_equal(got, wanted):
        raise CheckFailure(
            "random_uniform gives other bits", where=subject.author.definition("random_uniform")
        )


def _gradients(subject: Subject, row: str) -> None:
    backend = _made(subject)
    x = np.asarray([[0.3, -1.2], [2.0, 0.1]])

    def f(v: Any) -> Any:
        xp = array_namespace(v)
        return xp.sum(xp.multiply(xp.tanh(v), xp.exp(xp.multiply(v, -0.5))))

    value, slope = value_and_grad(f)(backend.asarray(x, "float32"))
    expected, wanted = value_and_grad(f)(x)
    ok = np.allclose(backend.to_numpy(value), expected, rtol=1e-4)
    if not ok or not np.allclose(backend.to_numpy(slope), wanted, rtol=1e-3, atol=1e-5):
        raise CheckFailure(
            "the gradient of a small function is another one", where=subject.author.definition()
        )


def _trains(subject: Subject, row: str) -> None:
    x = np.linspace(-1, 1, 24).reshape(8, 3).astype("float32")
    y = x.sum(axis=1, keepdims=True)

    def weights(backend: Any) -> Any:
        trainer = Trainer(Linear(3, 1), "mse", Adam(0.05), backend=backend, seed=1)
        for _ in range(3):
            trainer.step(x, y)
        return trainer.backend.to_numpy(trainer.parameters.theta)

    got, wanted = weights(_made(subject)), weights("numpy")
    if not np.allclose(got, wanted, rtol=1e-4, atol=1e-5):
        raise CheckFailure(
            f"three steps give weights that differ from those on NumPy by {np.max(np.abs(got - wanted)):.3g}",
            patterns.REMEDIES["creation"].format(name="zeros"),
            subject.author.definition(),
        )
