"""``check_grads``: a gradient against differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice
from typing import Any

from learnkit.autodiff.reverse import vjp
from learnkit.backends.base import Array, array_namespace, backend_of
from learnkit.backends.tree import Leaves, flatten
from learnkit.errors import GradientError

__all__ = ["check_grads"]


def check_grads(
    fn: Callable[..., Any],
    *args: Any,
    order: int = 1,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    step: float = 1e-3,
) -> None:
    """Compare the gradient of ``fn`` at ``args`` with central differences, every entry of it.

    A result that is not 0-d is contracted with fixed weights first, so that one pass covers every
    output. The differences are of fourth order,
    ``(8 f(x+h) - 8 f(x-h) - f(x+2h) + f(x-2h)) / 12 h`` with ``h = step max(1, |x|)``, whose error in
    float64 is near 1e-12.

    Args:
        fn: a function of arrays, or of trees of arrays, that returns an array or a tree of them.
        args: float64 arrays, trees of them, or models, at which ``fn`` is smooth.
        order: 1 checks the gradient, 2 its gradient as well, and so on.
        rtol, atol: an entry passes if ``|reverse - difference| <= atol + rtol * scale``, where scale is
            the larger of the two magnitudes.
        step: relative size of the differences.

    Raises:
        GradientError: an entry differs (the message names it and gives both numbers), a number is NaN
            or infinite, there is nothing to compare, or an argument is not float64.

    >>> import numpy as np
    >>> check_grads(lambda x: x * x, np.asarray([1.0, 2.0]))
    """
    if order < 1:
        raise GradientError(f"order is {order}, expected 1 or more")
    for i, arg in enumerate(args):
        for path, value in zip(*_paths_and_values(arg), strict=True):
            if str(value.dtype).rsplit(".", 1)[-1] != "float64":
                raise GradientError(
                    f"argument {i}{path} has dtype {value.dtype}; differences need float64",
                    hint="pass float64 arrays: in float32 the differences are mostly rounding",
                )
    scalar = _contracted(fn)
    _compare(scalar, args, rtol, atol, step)
    if order > 1:

        def gradient(*inner: Any) -> Any:
            value, pullback = vjp(scalar, *inner)
            return pullback(array_namespace(value).ones_like(value))

        check_grads(gradient, *args, order=order - 1, rtol=rtol, atol=atol, step=step)


def _compare(fn: Callable[..., Array], args: tuple[Any, ...], rtol: float, atol: float, step: float) -> None:
    value, pullback = vjp(fn, *args)
    gradients, _ = flatten(list(pullback(array_namespace(value).ones_like(value))))
    trees = [Leaves(arg) for arg in args]
    paths = [f"[{i}]{path}" for i, tree in enumerate(trees) for path in tree.paths]
    values = [v for tree in trees for v in tree.values]
    hosts = [backend_of(v) for v in values]
    compared = 0
    for k, (path, gradient) in enumerate(zip(paths, gradients, strict=True)):
        host = hosts[k]
        if gradient.shape != values[k].shape:
            raise GradientError(
                f"gradient of argument {path} has shape {tuple(gradient.shape)}, "
                f"the argument {tuple(values[k].shape)}"
            )
        reverse = host.to_numpy(gradient).ravel().tolist()
        point = host.to_numpy(values[k]).copy()
        flat = point.reshape(-1)
        for j, got in enumerate(reverse):
            h = step * max(1.0, abs(float(flat[j])))

            def at(shift: float, j: int = j, k: int = k, flat: Any = flat, point: Any = point) -> float:
                before = flat[j]
                flat[j] = before + shift
                moved = list(values)
                moved[k] = hosts[k].asarray(point.copy())
                flat[j] = before
                return _value(fn, trees, moved)

            wanted = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
            compared += 1
            both = f"gradient of argument {path}, entry {j}: reverse {got!r}, differences {wanted!r}"
            if not (math.isfinite(got) and math.isfinite(wanted)):
                raise GradientError(f"{both}; not finite")
            if abs(got - wanted) > atol + rtol * max(abs(got), abs(wanted)):
                raise GradientError(both)
    if not compared:
        raise GradientError("check_grads compared nothing: the arguments have no entries")


def _value(fn: Callable[..., Array], trees: list[Leaves], values: list[Array]) -> float:
    """``fn`` of the trees with other leaves."""
    rest = iter(values)
    with ExitStack() as stack:
        bound = []
        for tree in trees:
            argument, block = tree.bound(list(islice(rest, len(tree.values))))
            stack.enter_context(block)
            bound.append(argument)
        return float(fn(*bound))


def _contracted(fn: Callable[..., Any]) -> Callable[..., Array]:
    """``fn`` reduced to one number by weights that are all different."""

    def scalar(*args: Any) -> Array:
        outputs, _ = flatten(fn(*args))
        total: Any = None
        for n, y in enumerate(outputs):
            xp = array_namespace(y)
            if y.shape == ():
                part = xp.multiply(y, 1.0 + 0.3 * n)
            else:
                size = math.prod(y.shape)
                host = backend_of(y)
                weights = host.asarray([math.sin(1.0 + n + i) + 1.5 for i in range(size)], "float64")
                part = xp.sum(xp.multiply(xp.reshape(y, (-1,)), weights))
            total = part if total is None else array_namespace(total, part).add(total, part)
        if total is None:
            raise GradientError("check_grads compared nothing: the function returned no array")
        return total

    return scalar


def _paths_and_values(arg: Any) -> tuple[list[str], list[Any]]:
    leaves = Leaves(arg)
    return leaves.paths, leaves.values
