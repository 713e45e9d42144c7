"""Reverse-mode differentiation of functions: ``value_and_grad``, ``grad``, ``vjp``, ``stop_gradient``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import array_api_compat

from learnkit.autodiff.tape import Leaf, Node, backpropagate, new_level
from learnkit.autodiff.variable import Variable, plain_value
from learnkit.backends.base import Array, array_namespace, kernels_of
from learnkit.backends.tree import Leaves, flatten
from learnkit.errors import ArgumentError, GradientError, ShapeError

__all__ = ["grad", "stop_gradient", "value_and_grad", "vjp"]

Function = Callable[..., Any]


def _references() -> int:
    """How many references there are to an object that one variable of a function refers to."""
    alone = object()
    return sys.getrefcount(alone)


_ALONE = _references()


def value_and_grad(
    fn: Function, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """The function that returns ``fn``'s value and its gradient.

    Args:
        fn: returns a real 0-d array (the loss); with ``has_aux`` a pair of it and anything else.
        argnums: which arguments to differentiate, by position. Each may be an array, a nested list,
            tuple or dict of arrays, or a model, whose gradient is a dict by leaf path.
        has_aux: ``fn`` returns ``(loss, aux)`` and so does the value.

    Returns:
        A function of the arguments of ``fn`` that returns ``(value, gradient)``; with several
        ``argnums`` the gradient is a tuple. An argument that the loss does not depend on gets zeros.
        Keyword arguments are passed on and not differentiated. Applied twice it gives second
        derivatives.

    Raises:
        GradientError: an argument is not of a floating-point dtype, or the value is not a 0-d array.

    >>> import numpy as np
    >>> value_and_grad(lambda x: (x * x).__array_namespace__().sum(x * x))(np.asarray([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))
    """
    positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        level = new_level()
        chosen = [_argument(fn, args, i) for i in positions]
        nodes = [[Leaf(level, path=path) for path in leaves.named] for leaves in chosen]
        with ExitStack() as stack:
            bound = list(args)
            for i, leaves, leaf_nodes in zip(positions, chosen, nodes, strict=True):
                variables = _variables(leaves, leaf_nodes)
                bound[i], block = leaves.bound(variables)
                stack.enter_context(block)
            result = fn(*bound, **kwargs)
        aux = None
        if has_aux:
            if not (isinstance(result, tuple) and len(result) == 2):
                raise GradientError(
                    f"has_aux=True expects {_name(fn)} to return (loss, aux), got {type(result).__name__}"
                )
            result, aux = result
        value = _loss_value(fn, result, level)
        if type(result) is Variable and result.node.level == level:
            xp = array_namespace(value)
            backpropagate([(result.node, xp.ones_like(value))], xp)
        gradients = [
            leaves.rebuild([_gradient(n, v) for n, v in zip(leaf_nodes, leaves.values, strict=True)])
            for leaves, leaf_nodes in zip(chosen, nodes, strict=True)
        ]
        gradient = gradients[0] if isinstance(argnums, int) else tuple(gradients)
        return ((value, _lower(aux, level)) if has_aux else value), gradient

    return differentiated


def grad(fn: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """The gradient of ``fn``: :func:`value_and_grad` without the value.

    >>> import numpy as np
    >>> grad(lambda x: x**3)(np.asarray(2.0))
    np.float64(12.0)
    >>> grad(grad(lambda x: x**3))(np.asarray(2.0))
    np.float64(12.0)
    """
    both = value_and_grad(fn, argnums)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def vjp(fn: Function, *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The value of ``fn(*primals)`` and its pull-back, the vector-Jacobian product.

    Args:
        fn: a function of arrays (or trees of them) that returns an array or a tree of arrays.
        primals: where to differentiate.

    Returns:
        ``(value, pullback)``; ``pullback(g)`` takes a tree like ``value`` and returns one gradient for
        each primal. It may be called several times and keeps the tape until it is dropped.

    >>> import numpy as np
    >>> y, pullback = vjp(lambda x: x * x, np.asarray([1.0, 2.0]))
    >>> pullback(np.asarray([1.0, 10.0]))
    (array([ 2., 40.]),)
    """
    level = new_level()
    chosen = [_argument(fn, primals, i) for i in range(len(primals))]
    nodes = [[Leaf(level, path=path) for path in leaves.named] for leaves in chosen]
    with ExitStack() as stack:
        bound = []
        for leaves, leaf_nodes in zip(chosen, nodes, strict=True):
            argument, block = leaves.bound(_variables(leaves, leaf_nodes))
            stack.enter_context(block)
            bound.append(argument)
        result = fn(*bound)
    outputs, rebuild = flatten(result)
    value = rebuild([_lower(y, level) for y in outputs])

    def pullback(g: Any) -> tuple[Any, ...]:
        given, _ = flatten(g)
        if len(given) != len(outputs):
            raise ShapeError(
                f"the pull-back expects {len(outputs)} arrays, one for each result, got {len(given)}"
            )
        roots: list[tuple[Node, Array]] = []
        for y, gy in zip(outputs, given, strict=True):
            if not hasattr(gy, "shape"):
                raise GradientError(f"the pull-back expects an array, got {type(gy).__name__}")
            if gy.shape != y.shape:
                wanted, got = tuple(y.shape), tuple(gy.shape)
                raise ShapeError(f"the pull-back expects a gradient of shape {wanted}, got {got}")
            if type(y) is Variable and y.node.level == level:
                roots.append((y.node, gy))
        for leaf_nodes in nodes:
            for n in leaf_nodes:
                n.gradient, n.fresh = None, True
        if roots:
            # The values too: the function may have used variables of an outer differentiation.
            xp = array_namespace(*(g for _, g in roots), *(_lower(y, level) for y in outputs))
            backpropagate(roots, xp, keep=True)
        return tuple(
            leaves.rebuild([_gradient(n, v) for n, v in zip(leaf_nodes, leaves.values, strict=True)])
            for leaves, leaf_nodes in zip(chosen, nodes, strict=True)
        )

    return value, pullback


def stop_gradient(x: Any) -> Any:
    """``x`` as a constant: its plain value, taken off every tape. Works on trees of arrays too.

    >>> import numpy as np
    >>> grad(lambda x: x * stop_gradient(x))(np.asarray(3.0))
    np.float64(3.0)
    """
    leaves, rebuild = flatten(x)
    return rebuild([plain_value(leaf) for leaf in leaves])


def _name(fn: Function) -> str:
    return getattr(fn, "__name__", type(fn).__name__)


def _argument(fn: Function, args: tuple[Any, ...], i: int) -> Leaves:
    if not -len(args) <= i < len(args):
        raise ArgumentError(f"argnums asks for argument {i}, but {_name(fn)} was called with {len(args)}")
    leaves = Leaves(args[i], name=f"argument {i}")
    for path, value in zip(leaves.paths, leaves.values, strict=True):
        where = f"argument {i} of {_name(fn)}" + (f", leaf {path}" if path else "")
        if not hasattr(value, "dtype"):
            raise GradientError(
                f"{where} is of type {type(value).__name__}, expected an array",
                hint="convert it first, for example with numpy.asarray(value, dtype=numpy.float64)",
            )
        if not _is_floating(value):
            raise GradientError(
                f"{where} has dtype {value.dtype}; only floating-point arrays have a gradient",
                hint="cast it with xp.astype(x, xp.float32), or choose another argument with argnums",
            )
    return leaves


#: By type and dtype: dtypes of two libraries are not compared with each other.
_floating: dict[tuple[type, Any], bool] = {}


def _is_floating(x: Array) -> bool:
    key = (type(x.dtype), x.dtype)
    found = _floating.get(key)
    if found is None:
        kinds = ("real floating", "complex floating")
        found = _floating[key] = bool(array_namespace(x).isdtype(x.dtype, kinds))
    return found


def _variables(leaves: Leaves, nodes: list[Leaf]) -> list[Variable]:
    return [Variable(v, n) for v, n in zip(leaves.values, nodes, strict=True)]


def _loss_value(fn: Function, result: Any, level: int) -> Array:
    shape = getattr(result, "shape", None)
    if shape is None:
        raise GradientError(
            f"{_name(fn)} returned {type(result).__name__}, expected a 0-d array to differentiate"
        )
    if shape != ():
        raise GradientError(
            f"{_name(fn)} returned an array of shape {tuple(shape)}; only a 0-d value has a gradient",
            hint="reduce it with xp.sum or xp.mean, or use vjp for the derivative of an array",
        )
    if not _is_real(result):
        raise GradientError(
            f"{_name(fn)} returned a value of dtype {result.dtype}; only a real floating-point value has a "
            "gradient",
            hint="of a complex number take xp.real, xp.imag or xp.abs; counts have no gradient",
        )
    return _lower(result, level)


#: By type and dtype, as dtypes of two libraries are not compared with each other.
_real: dict[tuple[type, Any], bool] = {}


def _is_real(x: Array) -> bool:
    key = (type(x.dtype), x.dtype)
    found = _real.get(key)
    if found is None:
        found = _real[key] = bool(array_namespace(x).isdtype(x.dtype, "real floating"))
    return found


def _lower(x: Any, level: int) -> Any:
    """``x`` without the variables of this differentiation; those of outer ones stay."""
    leaves, rebuild = flatten(x)
    here = (0, level)  # constants are of no level, and no concern of the caller
    return rebuild([v.data if type(v) is Variable and v.node.level in here else v for v in leaves])


def _gradient(node: Leaf, value: Array) -> Array:
    """The gradient of a leaf in the dtype of the leaf, as an array that nothing else refers to."""
    xp = array_namespace(value)
    g = node.gradient
    node.gradient = None  # it is the caller's now
    if g is None:
        return xp.zeros(value.shape, dtype=value.dtype, device=array_api_compat.device(value))
    xp = array_namespace(g)
    if g.dtype != value.dtype:
        return xp.astype(g, value.dtype)
    if type(g) is Variable:
        return g
    # Rules pass views on, and one array to several arguments; the caller may change what he is given. An
    # array that owns its memory and that only this function refers to needs no copy, which costs as much as
    # a rule.
    kernels = kernels_of(g)
    if sys.getrefcount(g) == _ALONE and kernels.owns(g):
        return g
    own = kernels.copy(g)
    return own if own.shape else own[()]
