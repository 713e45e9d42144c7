"""Derivatives built on the pull-back: ``jvp``, ``jacobian``, ``hessian``, ``hvp``, per-example gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import array_api_compat

from learnkit.autodiff.reverse import grad, vjp
from learnkit.backends.base import Array, array_namespace
from learnkit.backends.tree import Leaves, flatten
from learnkit.errors import ArgumentError, GradientError, ShapeError

__all__ = ["hessian", "hvp", "jacobian", "jvp", "per_example_grad"]

Function = Callable[..., Any]


def jvp(fn: Function, primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Any, Any]:
    """The value of ``fn(*primals)`` and its derivative along ``tangents``, the Jacobian-vector product.

    The pull-back is linear in what is pulled back, and the pull-back of *that* is the push-forward;
    so no rules for forward mode are needed, at about three times the cost of the value.

    Args:
        fn: a function of arrays, or trees of them, that returns an array or a tree of arrays.
        primals: where to differentiate.
        tangents: a direction for each primal, of its shape.

    Raises:
        ShapeError: primals and tangents do not fit each other.
        GradientError: a result is not of a floating-point dtype.

    >>> import numpy as np
    >>> jvp(lambda x: x * x, (np.asarray([1.0, 2.0]),), (np.asarray([1.0, 10.0]),))
    (array([1., 4.]), array([ 2., 40.]))
    """
    if len(primals) != len(tangents):
        raise ShapeError(f"jvp: {len(primals)} primals but {len(tangents)} tangents; expected one for each")
    points, _ = flatten(list(primals))
    directions, _ = flatten(list(tangents))
    _same_shapes(points, directions, "tangent")
    value, pullback = vjp(fn, *primals)
    outputs, rebuild = flatten(value)
    _differentiable(outputs, "jvp", ("real floating", "complex floating"))
    # Any point would do, as the pull-back is linear; at 0 rules may leave out what is multiplied by it.
    anywhere = [array_namespace(y).ones_like(y) for y in outputs]
    _, push = vjp(lambda gs: flatten(list(pullback(rebuild(gs))))[0], anywhere)
    (tangent,) = push(directions)
    return value, rebuild(tangent)


def jacobian(fn: Function, argnums: int = 0) -> Function:
    """The function that returns all partial derivatives of ``fn``'s results.

    Args:
        fn: returns an array or a tree of arrays.
        argnums: the argument to differentiate, a real array or a tree of them.

    Returns:
        A function with the arguments of ``fn``. For a result of shape ``s`` and an argument of shape
        ``t`` it gives an array of shape ``s + t``; for trees, a tree of results of trees of arguments.
        One reverse pass for each element of the results.

    Raises:
        GradientError: argument or results are not of a real floating-point dtype.

    >>> import numpy as np
    >>> jacobian(lambda x: x * x)(np.asarray([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    def rows(*args: Any, **kwargs: Any) -> Any:
        if not -len(args) <= argnums < len(args):
            raise ArgumentError(
                f"argnums asks for argument {argnums}, but the function was called with {len(args)}"
            )
        place = argnums % len(args)

        def of_one(x: Any) -> Any:
            return fn(*args[:place], x, *args[place + 1 :], **kwargs)

        _differentiable(flatten(args[place])[0], "jacobian", ("real floating",), "argument")
        value, pullback = vjp(of_one, args[place])
        outputs, rebuild = flatten(value)
        _differentiable(outputs, "jacobian", ("real floating",))
        zeros = [array_namespace(y).zeros_like(y) for y in outputs]
        found = []
        for k, y in enumerate(outputs):
            pulled = []
            for unit in _units(y):
                (g,) = pullback(rebuild([unit if i == k else z for i, z in enumerate(zeros)]))
                pulled.append(flatten(g))
            if not pulled:
                leaves = Leaves(args[place])
                found.append(leaves.rebuild([_empty(y, v) for v in leaves.values]))
                continue
            _, rebuild_argument = pulled[0]
            columns = zip(*(leaves for leaves, _ in pulled), strict=True)
            found.append(rebuild_argument([_stacked(c, y.shape) for c in columns]))
        return rebuild(found)

    return rows


def hessian(fn: Function, argnums: int = 0) -> Function:
    """The function that returns the second derivatives of a 0-d ``fn``: the Jacobian of its gradient.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.asarray([1.0, 2.0]))
    array([[4., 2.],
           [2., 0.]])
    """
    return jacobian(grad(fn, argnums), argnums)


def hvp(fn: Function, primals: tuple[Any, ...], vectors: tuple[Any, ...]) -> tuple[Any, ...]:
    """The Hessian of a 0-d ``fn`` times a vector, without forming the Hessian.

    Args:
        fn: returns a 0-d array.
        primals: where to differentiate.
        vectors: one for each primal, of its shape.

    Returns:
        One array (or tree) for each primal.

    >>> import numpy as np
    >>> hvp(lambda x: x[0] ** 2 * x[1], (np.asarray([1.0, 2.0]),), (np.asarray([1.0, 0.0]),))
    (array([4., 2.]),)
    """
    if len(primals) != len(vectors):
        raise ShapeError(f"hvp: {len(primals)} primals but {len(vectors)} vectors; expected one for each")
    points, _ = flatten(list(primals))
    directions, _ = flatten(list(vectors))
    _same_shapes(points, directions, "vector")
    _, pullback = vjp(grad(fn, tuple(range(len(primals)))), *primals)
    return pullback(tuple(vectors))  # the Hessian is symmetric, so this is also the product from the left


def per_example_grad(fn: Function, argnums: int = 0) -> Function:
    """The function that returns the gradient of each example's loss, stacked along a first axis.

    Args:
        fn: ``fn(params, *batch)`` returns the loss of a batch, a 0-d array.
        argnums: the argument to differentiate; all others are arrays with one row for each example.

    Returns:
        A function of the same arguments; each leaf of the result has shape (batch, ...). One reverse
        pass for each example, with a batch of one.

    >>> import numpy as np
    >>> x = np.asarray([[1.0], [2.0]])
    >>> per_example_grad(lambda w, x: (x * w).__array_namespace__().sum(x * w))(np.asarray([3.0]), x)
    array([[1.],
           [2.]])
    """
    gradient = grad(fn, argnums)

    def stacked(*args: Any, **kwargs: Any) -> Any:
        if not -len(args) <= argnums < len(args):
            raise ArgumentError(
                f"argnums asks for argument {argnums}, but the function was called with {len(args)}"
            )
        place = argnums % len(args)
        for i, a in enumerate(args):
            if i != place and not getattr(a, "shape", ()):
                raise ShapeError(
                    f"per_example_grad: argument {i} has no rows, expected one for each example",
                    hint="pass what all examples share as a keyword argument",
                )
        counts = {a.shape[0] for i, a in enumerate(args) if i != place}
        if len(counts) != 1:
            raise ShapeError(
                f"per_example_grad: the batch arrays have {sorted(counts)} rows, expected one number"
            )
        (n,) = counts
        if not n:
            raise GradientError("per_example_grad got a batch of 0 examples, expected at least 1")
        found = []
        for k in range(n):
            one = [a if i == place else a[k : k + 1, ...] for i, a in enumerate(args)]
            found.append(flatten(gradient(*one, **kwargs)))
        _, rebuild = found[0]
        columns = zip(*(leaves for leaves, _ in found), strict=True)
        return rebuild([array_namespace(*c).stack(list(c), axis=0) for c in columns])

    return stacked


def _same_shapes(points: list[Array], directions: list[Array], name: str) -> None:
    if len(points) != len(directions):
        raise ShapeError(f"{len(points)} arrays but {len(directions)} {name}s; expected one for each")
    for i, (p, d) in enumerate(zip(points, directions, strict=True)):
        if tuple(p.shape) != tuple(d.shape):
            raise ShapeError(f"{name} {i} has shape {tuple(d.shape)}, expected {tuple(p.shape)}")


def _differentiable(arrays: list[Any], name: str, kinds: tuple[str, ...], what: str = "result") -> None:
    for i, y in enumerate(arrays):
        if not hasattr(y, "dtype"):
            raise GradientError(f"{name}: {what} {i} is of type {type(y).__name__}, expected an array")
        if not array_namespace(y).isdtype(y.dtype, kinds):
            raise GradientError(
                f"{name}: {what} {i} has dtype {y.dtype}, expected {' or '.join(kinds)}",
                hint="complex numbers can be taken apart with xp.real and xp.imag; "
                "leave out what has no gradient",
            )


def _units(y: Array) -> list[Array]:
    """The unit arrays of the shape of ``y``, in row-major order."""
    xp = array_namespace(y)
    n = math.prod(y.shape)
    eye = xp.eye(n, dtype=y.dtype, device=array_api_compat.device(y))
    return [xp.reshape(eye[i, ...], y.shape) for i in range(n)]


def _stacked(rows: tuple[Array, ...], shape: tuple[int, ...]) -> Array:
    xp = array_namespace(*rows)
    return xp.reshape(xp.stack(list(rows), axis=0), (*shape, *rows[0].shape))


def _empty(y: Array, x: Array) -> Array:
    return array_namespace(x).zeros((*y.shape, *x.shape), dtype=x.dtype, device=array_api_compat.device(x))
