"""``check_grads``: a gradient against differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any

from learnkit.autodiff.reverse import vjp
from learnkit.autodiff.transforms import jvp
from learnkit.backends.base import Array, array_namespace, backend_of, get_backend, size_of
from learnkit.backends.tree import Leaves, flatten
from learnkit.errors import GradientError

__all__ = ["check_grads"]

_DOUBLE = ("float64", "complex128")
_SINGLE = {"float64": "float32", "complex128": "complex64"}


def check_grads(
    fn: Callable[..., Any],
    *args: Any,
    order: int = 1,
    modes: Sequence[str] = ("rev",),
    dtypes: Sequence[str] = ("float64",),
    rtol: float = 1e-6,
    atol: float = 1e-8,
    step: float = 1e-3,
) -> None:
    """Compare the gradient of ``fn`` at ``args`` with central differences, every entry of it.

    A result that is not 0-d is contracted with fixed weights first, so that one pass covers every
    output. The differences are of fourth order,
    ``(8 f(x+h) - 8 f(x-h) - f(x+2h) + f(x-2h)) / 12 h`` with ``h = step max(1, |x|)``, whose error in
    float64 is near 1e-12. Real and imaginary part of a complex argument are moved one after the other:
    its gradient is ``dL/da + i dL/db`` for ``z = a + i b``.

    Args:
        fn: a function of arrays, or of trees of arrays, that returns an array or a tree of them.
        args: float64 or complex128 arrays, trees of them, or models, at which ``fn`` is smooth.
        order: 1 checks the gradient, 2 its gradient as well, and so on.
        modes: ``"rev"`` checks the reverse pass, ``"fwd"`` :func:`~learnkit.autodiff.jvp`, each entry of
            the result along one fixed direction.
        dtypes: ``"float64"``, and ``"float32"`` to check also that the gradient for arguments in single
            precision is in single precision, and agrees with the other to a thousandth of its largest entry.
        rtol, atol: an entry passes if ``|computed - difference| <= atol + rtol * scale``, where scale is
            the larger of the two magnitudes.
        step: relative size of the differences.

    Raises:
        GradientError: an entry differs (the message names it and gives both numbers), a number is NaN
            or infinite, there is nothing to compare, or an argument is not in double precision.

    >>> import numpy as np
    >>> check_grads(lambda x: x * x, np.asarray([1.0, 2.0]), order=2, modes=("fwd", "rev"))
    """
    if order < 1:
        raise GradientError(f"order is {order}, expected 1 or more")
    for name, number, least in (
        ("rtol", rtol, "0 or more"),
        ("atol", atol, "0 or more"),
        ("step", step, "above 0"),
    ):
        if not (math.isfinite(number) and (number > 0 if name == "step" else number >= 0)):
            raise GradientError(f"{name} is {number!r}, expected a number {least}")
    for name, given, known in (
        ("modes", modes, ("fwd", "rev")),
        ("dtypes", dtypes, ("float32", "float64")),
    ):
        if isinstance(given, str) or not given or not set(given) <= set(known):
            raise GradientError(f"{name} is {given!r}, expected a tuple of {' and '.join(map(repr, known))}")
    for i, arg in enumerate(args):
        leaves = Leaves(arg)
        for path, value in zip(leaves.paths, leaves.values, strict=True):
            if _dtype(value) not in _DOUBLE:
                raise GradientError(
                    f"argument {i}{path} has dtype {value.dtype}; differences need float64 or complex128",
                    hint="pass float64 arrays: in float32 the differences are mostly rounding",
                )
    point = _Point(fn, args)
    if not sum(p.size for p in point.hosted):
        raise GradientError("check_grads compared nothing: the arguments have no entries")
    scalar = _contracted(fn)
    if "rev" in modes:
        _reverse(scalar, args, rtol, atol, step)
    if "fwd" in modes:
        _forward(point, args, rtol, atol, step)
    if "float32" in dtypes:
        _single_precision(scalar, args)
    if order > 1:

        def gradient(*inner: Any) -> Any:
            return _gradients(scalar, inner)

        rest = {"modes": modes, "dtypes": dtypes, "rtol": rtol, "atol": atol, "step": step}
        check_grads(gradient, *args, order=order - 1, **rest)  # type: ignore[arg-type]


class _Point:
    """A function at its arguments, to be called with other leaves.

    Attributes:
        paths: of the leaves, ``"[0]['x']"``.
        hosted: their values as NumPy arrays.
    """

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.fn = fn
        self._trees = [Leaves(arg) for arg in args]
        self.paths = [f"[{i}]{path}" for i, tree in enumerate(self._trees) for path in tree.paths]
        self.values = [v for tree in self._trees for v in tree.values]
        self._backends = [backend_of(v) for v in self.values]
        to_array = get_backend("numpy").asarray  # of numbers too, which cannot be changed in place
        self.hosted = [to_array(b.to_numpy(v)) for b, v in zip(self._backends, self.values, strict=True)]

    def on_device(self, k: int, host: Any) -> Array:
        """A NumPy array where leaf ``k`` is."""
        return self._backends[k].asarray(host)

    def __call__(self, leaves: list[Array]) -> Any:
        """The function of the trees with other leaves."""
        rest = iter(leaves)
        with ExitStack() as stack:
            bound = []
            for tree in self._trees:
                argument, block = tree.bound(list(islice(rest, len(tree.values))))
                stack.enter_context(block)
                bound.append(argument)
            return self.fn(*bound)


def _gradients(fn: Callable[..., Array], args: tuple[Any, ...]) -> tuple[Any, ...]:
    value, pullback = vjp(fn, *args)
    return pullback(array_namespace(value).ones_like(value))


def _reverse(fn: Callable[..., Array], args: tuple[Any, ...], rtol: float, atol: float, step: float) -> None:
    """Every entry of every gradient, by moving that entry."""
    gradients, _ = flatten(list(_gradients(fn, args)))
    point = _Point(fn, args)
    for k, (path, gradient) in enumerate(zip(point.paths, gradients, strict=True)):
        x = point.hosted[k].copy()
        if tuple(gradient.shape) != x.shape:
            raise GradientError(
                f"gradient of argument {path} has shape {tuple(gradient.shape)}, the argument {x.shape}"
            )
        for name, part, computed in _parts(x, backend_of(gradient).to_numpy(gradient)):
            for j, got in enumerate(computed):
                before = float(part.flat[j])

                def at(shift: float, j: int = j, k: int = k, part: Any = part, x: Any = x) -> float:
                    unmoved = part.flat[j]
                    part.flat[j] = unmoved + shift
                    moved = list(point.values)
                    moved[k] = point.on_device(k, x.copy())
                    part.flat[j] = unmoved
                    return float(point(moved))

                h = step * max(1.0, abs(before))
                wanted = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
                where = f"gradient of argument {path}, entry {_index(j, x.shape)}{name}"
                _agree(where, "reverse", got, wanted, rtol, atol)


def _forward(point: _Point, args: tuple[Any, ...], rtol: float, atol: float, step: float) -> None:
    """Every entry of every result's derivative along one direction."""
    directions, start = [], 0
    for k, x in enumerate(point.hosted):
        slopes = x.real * 0 + _weights(start, x.size, x.shape, k)
        directions.append(slopes * (1.0 - 0.6j) if x.dtype.kind == "c" else slopes)
        start += x.size
    h = step * max(1.0, *(float(abs(x).max(initial=0.0)) for x in point.hosted))

    def at(shift: float) -> list[Any]:
        leaves = [
            point.on_device(k, x + shift * d)
            for k, (x, d) in enumerate(zip(point.hosted, directions, strict=True))
        ]
        outputs, _ = flatten(point(leaves))
        return [backend_of(y).to_numpy(y) for y in outputs]

    placed = iter([point.on_device(k, d) for k, d in enumerate(directions)])
    tangents = []
    for arg in args:
        leaves = Leaves(arg)
        tangents.append(leaves.rebuild(list(islice(placed, len(leaves.values)))))
    _, pushed = jvp(point.fn, args, tuple(tangents))
    compared = 0
    moved = (at(h), at(-h), at(2 * h), at(-2 * h))
    for i, (computed, *around) in enumerate(zip(flatten(pushed)[0], *moved, strict=True)):
        wanted = (8 * (around[0] - around[1]) - (around[2] - around[3])) / (12 * h)
        got = backend_of(computed).to_numpy(computed)
        for name, part, numbers in _parts(wanted, got):
            for j, number in enumerate(numbers):
                compared += 1
                where = f"tangent of result {i}, entry {_index(j, wanted.shape)}{name}"
                _agree(where, "forward", number, float(part.flat[j]), rtol, atol)
    if not compared:
        raise GradientError("check_grads compared nothing: the function returned no entries")


def _single_precision(fn: Callable[..., Array], args: tuple[Any, ...]) -> None:
    point = _Point(fn, args)
    double, _ = flatten(list(_gradients(fn, args)))

    def cast(arg: Any) -> Any:
        leaves = Leaves(arg)
        return leaves.rebuild([backend_of(v).asarray(v, _SINGLE[_dtype(v)]) for v in leaves.values])

    if any(hasattr(arg, "substituted") for arg in args):
        raise GradientError(
            "a model cannot be checked in float32 beside float64",
            hint='leave "float32" out of dtypes, or pass a dict of its arrays',
        )
    single, _ = flatten(list(_gradients(fn, tuple(cast(arg) for arg in args))))
    for path, wide, narrow in zip(point.paths, double, single, strict=True):
        if _dtype(narrow) != _SINGLE[_dtype(wide)]:
            raise GradientError(f"gradient of argument {path} in single precision has dtype {_dtype(narrow)}")
        want, got = (backend_of(g).to_numpy(g) for g in (wide, narrow))
        scale = float(abs(want).max(initial=0.0))
        for j, (a, b) in enumerate(zip(want.ravel().tolist(), got.ravel().tolist(), strict=True)):
            if not abs(a - b) <= 1e-3 * scale + 1e-6:
                raise GradientError(
                    f"gradient of argument {path}, entry {_index(j, want.shape)}: "
                    f"single precision {b!r}, double {a!r}"
                )


def _agree(where: str, name: str, got: float, wanted: float, rtol: float, atol: float) -> None:
    if not (math.isfinite(got) and math.isfinite(wanted)):
        raise GradientError(f"{where}: {name} {got!r}, differences {wanted!r}; not finite")
    if abs(got - wanted) > atol + rtol * max(abs(got), abs(wanted)):
        raise GradientError(f"{where}: {name} {got!r}, differences {wanted!r}")


def _parts(x: Any, g: Any) -> list[tuple[str, Any, list[float]]]:
    """Real and imaginary part of ``x``, views of it, with the numbers of ``g`` that belong to them."""
    if x.dtype.kind != "c":
        return [("", x, g.real.ravel().tolist())]
    return [
        (", real part", x.real, g.real.ravel().tolist()),
        (", imaginary part", x.imag, g.imag.ravel().tolist()),
    ]


def _index(j: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The index of entry number ``j`` in row-major order."""
    index = []
    for n in reversed(shape):
        j, i = divmod(j, n)
        index.append(i)
    return tuple(reversed(index))


def _weights(start: int, size: int, shape: tuple[int, ...], k: int) -> Any:
    """Numbers of the size of 1 that are all different."""
    host = get_backend("numpy").asarray([math.sin(1.0 + k + start + i) + 1.5 for i in range(size)], "float64")
    return host.reshape(shape)


def _contracted(fn: Callable[..., Any]) -> Callable[..., Array]:
    """``fn`` reduced to one real number by weights that are all different."""

    def scalar(*args: Any) -> Array:
        outputs, _ = flatten(fn(*args))
        for n, y in enumerate(outputs):
            if not hasattr(y, "dtype"):
                raise GradientError(f"result {n} is of type {type(y).__name__}, expected an array")
            if not array_namespace(y).isdtype(y.dtype, ("real floating", "complex floating")):
                raise GradientError(
                    f"result {n} has dtype {y.dtype}, which has no gradient to compare",
                    hint="leave it out: only floating-point results can be checked",
                )
        if outputs and not sum(size_of(tuple(y.shape)) for y in outputs):
            raise GradientError("check_grads compared nothing: the function returned no entries")
        total: Any = None
        for n, y in enumerate(outputs):
            xp = array_namespace(y)
            parts = [xp.real(y), xp.imag(y)] if _dtype(y) in ("complex128", "complex64") else [y]
            for m, part in enumerate(parts):
                term = _weighted(xp, part, n + 0.4 * m)
                total = term if total is None else array_namespace(total, term).add(total, term)
        if total is None:
            raise GradientError("check_grads compared nothing: the function returned no array")
        return total

    return scalar


def _weighted(xp: Any, y: Array, phase: float) -> Array:
    if y.shape == ():
        return xp.multiply(y, 1.0 + 0.3 * phase)
    size = math.prod(y.shape)
    weights = backend_of(y).asarray([math.sin(1.0 + phase + i) + 1.5 for i in range(size)], _dtype(y))
    return xp.sum(xp.multiply(xp.reshape(y, (-1,)), weights))


def _dtype(x: Any) -> str:
    return str(x.dtype).rsplit(".", 1)[-1]
