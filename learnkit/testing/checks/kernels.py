"""What is asked of kernels: each method computes what the generic version of that name does."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from learnkit.backends.base import get_backend
from learnkit.backends.kernels import Kernels
from learnkit.backends.replacement import use_kernels
from learnkit.backends.windows import Window
from learnkit.errors import BackendError, MissingDependencyError
from learnkit.testing import patterns
from learnkit.testing.check import Check
from learnkit.testing.checks.common import common_checks
from learnkit.testing.diagnosis import fingerprint, returned
from learnkit.testing.results import CheckFailure, NotApplicable
from learnkit.testing.subject import Subject

__all__ = ["ARGUMENTS", "checks"]

_rng = np.random.default_rng(23)


def _normal(*shape: int) -> Any:
    return _rng.normal(size=shape)


def _softmax(z: Any) -> Any:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


_LABELS = _rng.integers(0, 5, size=6)
_IMAGES, _FILTERS = _normal(2, 3, 7, 6), _normal(3, 2, 3, 4)
_PLAIN = Window((3, 2))
_STRIDED = Window((3, 2), stride=(2, 1), padding=((1, 1), (0, 1)))
_BIG = _normal(130, 70)

#: Arguments to call each kernel with; arrays are cast to the dtype of the run.
ARGUMENTS: dict[str, list[tuple[Any, ...]]] = {
    "erf": [(_normal(5, 3) * 2,), (np.asarray([0.0, -0.0, 9.0, -9.0, 1e-8]),), (_normal(0, 3),)],
    "sign": [(np.asarray([-2.0, -0.0, 0.0, 3.0]),)],
    "index_add": [
        (_normal(5, 3), np.asarray([0, 4, 0]), _normal(3, 3)),
        (_normal(5), np.asarray([1, 1, 1]), _normal(3)),
    ],
    "copy": [(_normal(3, 4),)],
    "spread": [(_normal(3, 1), (3, 4)), (_normal(1, 2, 1), (5, 2, 3))],
    "matmul_into": [(None, _normal(3, 4), _normal(4, 2)), (_normal(3, 2), _normal(3, 4), _normal(4, 2))],
    "product_with_transpose": [(_normal(3, 4), _normal(2, 4))],
    "column_sums_into": [(None, _normal(9, 4)), (_normal(4), _normal(9, 4)), (None, _normal(0, 4))],
    "row_sums": [(_normal(9, 4),), (_normal(9, 4), _normal(9, 4))],
    "linear": [
        (_normal(6, 4), _normal(4, 5), _normal(5)),
        (_normal(6, 4), _normal(4, 5), None),
        (_normal(1, 4), _normal(4, 1), _normal(1)),
        (_normal(0, 4), _normal(4, 3), _normal(3)),
        (_BIG, _normal(70, 33), _normal(33)),
    ],
    "relu": [(_normal(5, 7),), (np.asarray([0.0, -0.0, np.nan, -1.0]),), (_BIG,), (_normal(0, 3),)],
    "relu_backward": [
        (_normal(5, 7), np.maximum(_normal(5, 7), 0)),
        (np.ones(3), np.asarray([0.0, 1.0, 0.0])),
        (_BIG, np.maximum(_BIG[::-1], 0)),
    ],
    "softmax": [(_normal(6, 10),), (_normal(2, 3, 4),), (1e4 * _normal(6, 10),), (_normal(0, 3),)],
    "softmax_backward": [(_normal(6, 10), _softmax(_normal(6, 10))), (_BIG, _softmax(_BIG))],
    "log_softmax": [(_normal(6, 10),), (_normal(2, 3, 4),), (1e4 * _normal(6, 10),), (_normal(0, 3),)],
    "log_softmax_backward": [(_normal(6, 10), np.log(_softmax(_normal(6, 10))))],
    "sum_of_squares": [(_normal(6, 10),), (_normal(7),), (_normal(0),)],
    "softmax_cross_entropy": [
        (_normal(6, 5), _LABELS),
        (1e4 * _normal(6, 5), _LABELS),
        (_normal(0, 5), _LABELS[:0]),
    ],
    "softmax_cross_entropy_backward": [(_normal(6), _softmax(_normal(6, 5)), _LABELS)],
    "mean_softmax_cross_entropy": [(_normal(6, 5), _LABELS)],
    "mean_softmax_cross_entropy_backward": [(np.asarray(0.7), _softmax(_normal(6, 5)), _LABELS)],
    "im2col": [(_IMAGES, _PLAIN), (_IMAGES, _STRIDED)],
    "conv2d": [
        (_IMAGES, _FILTERS, None, _PLAIN),
        (_IMAGES, _FILTERS, _normal(4), _STRIDED),
        (_normal(2, 4, 6, 6), _normal(3, 2, 2, 6), _normal(6), _PLAIN, 2),
    ],
    "conv2d_input": [(_normal(2, 4, 5, 5), _FILTERS, _PLAIN, 1, (7, 6))],
    "conv2d_weight_into": [(None, _IMAGES, _normal(2, 4, 5, 5), _PLAIN)],
    "max_pool2d": [(_IMAGES, _PLAIN)],
    "window_sum": [(_IMAGES, _PLAIN)],
}


def checks() -> list[Check]:
    """The checks of kernels."""
    return [
        *common_checks()[:1],
        Check(
            "fits",
            _fits,
            "name the backend, backend: ClassVar[str] = 'numpy', and give each method name and "
            "parameters of the one in "
            "learnkit.backends.Kernels that it replaces; begin the names of helpers with _",
        ),
        Check(
            "values",
            _values,
            "compute what the generic version does, to rounding; return NotImplemented for arguments "
            "that are not served",
        ),
        Check("dtype", _dtypes, patterns.REMEDIES["wide"]),
        Check("inputs", _inputs, patterns.REMEDIES["inplace"]),
        Check("deterministic", _deterministic, patterns.REMEDIES["state"]),
    ]


def _component(subject: Subject) -> Any:
    found = subject.component
    return found() if inspect.isclass(found) else found


def _methods(kernels: Any) -> list[str]:
    known = {name for name, _ in inspect.getmembers(Kernels, inspect.isfunction) if name[0] != "_"}
    return [n for n, _ in inspect.getmembers(type(kernels), inspect.isroutine) if n in known]


def _backend(kernels: Any) -> Any:
    try:
        return get_backend(kernels.backend)
    except (MissingDependencyError, BackendError) as error:
        raise NotApplicable(error.message) from None


def _fits(subject: Subject, row: str) -> None:
    kernels = _component(subject)
    try:
        with use_kernels(kernels):
            pass
    except (MissingDependencyError, BackendError) as error:
        raise NotApplicable(error.message) from None
    except Exception as error:
        known = {name for name, _ in inspect.getmembers(Kernels, inspect.isfunction)}
        own = [n for n, f in vars(type(kernels)).items() if inspect.isroutine(f) and n[0] != "_"]
        named = next(
            (n for n in own if f"{n}" in str(error) and (n not in known or "cannot be called" in str(error))),
            "",
        )
        raise CheckFailure(
            getattr(error, "message", str(error)),
            getattr(error, "hint", None),
            subject.author.definition(named),
        ) from error


def _calls(subject: Subject) -> list[tuple[str, tuple[Any, ...]]]:
    kernels = _component(subject)
    given = subject.need("arguments", {})
    found = [(name, args) for name in _methods(kernels) for args in given.get(name, ARGUMENTS.get(name, []))]
    if not found:
        raise NotApplicable(
            "no arguments are known for its methods; give them: checks_for(..., arguments={'method': "
            "[(x, y)]})"
        )
    return found


def _brought(backend: Any, args: tuple[Any, ...], dtype: str) -> list[Any]:
    def bring(a: Any) -> Any:
        if not isinstance(a, np.ndarray):
            return a
        return backend.asarray(np.array(a), dtype if a.dtype.kind == "f" else None)

    return [bring(a) for a in args]


def _parts(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def _values(subject: Subject, row: str) -> None:
    _compare(subject, of_dtype=False)


def _dtypes(subject: Subject, row: str) -> None:
    _compare(subject, of_dtype=True)


def _compare(subject: Subject, *, of_dtype: bool) -> None:
    kernels = _component(subject)
    backend = _backend(kernels)
    generic = Kernels(backend.xp)
    for dtype in ("float32", "float64"):
        for name, args in _calls(subject):

            def call(name: str = name, args: Any = args, dtype: str = dtype) -> Any:
                return getattr(kernels, name)(*_brought(backend, args, dtype))

            with np.errstate(all="ignore"):
                got = call()
                if got is NotImplemented:
                    continue
                wanted = getattr(generic, name)(*_brought(backend, args, dtype))
            for i, (g, w) in enumerate(zip(_parts(got), _parts(wanted), strict=True)):
                what = name if len(_parts(wanted)) == 1 else f"result {i} of {name}"
                place = returned(subject.author, call, name)
                if of_dtype:
                    if getattr(g, "dtype", None) != w.dtype:
                        raise CheckFailure(
                            f"{what} has dtype {getattr(g, 'dtype', type(g))}, expected {w.dtype}",
                            where=place,
                        )
                    continue
                a, b = backend.to_numpy(g), backend.to_numpy(w)
                if a.shape != b.shape:
                    raise CheckFailure(
                        f"{what} has shape {a.shape}, the generic version {b.shape}", where=place
                    )
                size = float(np.max(np.abs(b[np.isfinite(b)]), initial=0.0)) if b.dtype.kind == "f" else 1.0
                loose = 1e-4 if dtype == "float32" else 1e-9
                if not np.allclose(a, b, rtol=loose, atol=loose * max(size, 1e-3), equal_nan=True):
                    j = tuple(int(k) for k in np.argwhere(~np.isclose(a, b, rtol=loose, equal_nan=True))[0])
                    shapes = ", ".join(str(getattr(x, "shape", x)) for x in args)
                    raise CheckFailure(
                        f"{what} of ({shapes}) in {dtype} is {a[j]:.9g} at {j}, the generic version "
                        f"{b[j]:.9g}",
                        where=place,
                    )


def _inputs(subject: Subject, row: str) -> None:
    kernels = _component(subject)
    backend = _backend(kernels)
    for name, args in _calls(subject):
        brought = _brought(backend, args, "float32")
        before = [fingerprint(backend.to_numpy(a)) if hasattr(a, "dtype") else None for a in brought]
        with np.errstate(all="ignore"):
            getattr(kernels, name)(*brought)
        for i, (a, b) in enumerate(zip(brought, before, strict=True)):
            if i == 0 and name.endswith("_into"):
                continue
            if b is not None and fingerprint(backend.to_numpy(a)) != b:
                parameter = list(inspect.signature(getattr(kernels, name)).parameters)[i]
                place = subject.author.definition(name)
                spot = patterns.near(*_end(place), "inplace") if place else None
                raise CheckFailure(
                    f"{name} changes its argument {parameter}",
                    where=(place[0], spot.line) if place and spot else place,
                )


def _end(place: tuple[str, int]) -> tuple[str, int]:
    return place[0], patterns.function_around(place[0], place[1] + 1)[1]


def _deterministic(subject: Subject, row: str) -> None:
    kernels = _component(subject)
    backend = _backend(kernels)
    for name, args in _calls(subject):

        def call(name: str = name, args: Any = args) -> Any:
            result = getattr(kernels, name)(*_brought(backend, args, "float32"))
            if result is NotImplemented:
                return None
            return [fingerprint(backend.to_numpy(r)) for r in _parts(result)]

        with np.errstate(all="ignore"):
            if call() != call():
                raise CheckFailure(
                    f"{name} gives other bits each time", where=returned(subject.author, call, name)
                )
