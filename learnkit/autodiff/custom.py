"""Rules by the user, and recomputation instead of storage."""

from __future__ import annotations

import contextvars
import copy
import functools
from collections.abc import Callable
from typing import Any

from learnkit.autodiff.primitive import Primitive
from learnkit.autodiff.rules.complex import to_dtype
from learnkit.autodiff.tape import Node, backpropagate, newest, observer
from learnkit.autodiff.variable import Variable
from learnkit.backends.base import Array, array_namespace
from learnkit.backends.tree import flatten
from learnkit.errors import GradientError

__all__ = ["CustomVJP", "checkpoint", "custom_vjp"]


class CustomVJP:
    """A function with a gradient rule of its own; made by :func:`custom_vjp`."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        functools.update_wrapper(self, fn)
        self._primitive = Primitive(lambda xp, *args, **options: _with_saved(fn, args, options), fn.__name__)
        self._has_rule = False

    def rule(self, backward: Callable[..., Any]) -> Callable[..., Any]:
        """Decorator for ``backward(g, value, *args) -> gradients``, one for each positional argument."""

        name = self._primitive.name  # and not self: a rule that knows its owner is freed late

        def rule(xp: Any, g: Array, saved: Any, parents: tuple[Node | None, ...]) -> tuple[Array | None, ...]:
            value, args, options = saved
            gradients = backward(g, value, *args, **options)
            if not isinstance(gradients, (tuple, list)):
                gradients = (gradients,)
            if len(gradients) != len(parents):
                raise GradientError(
                    f"the rule of {name} returned {len(gradients)} gradients, "
                    f"expected {len(parents)}: one for each positional argument, None for constants"
                )
            found: list[Array | None] = []
            for i, (d, p) in enumerate(zip(gradients, parents, strict=True)):
                if p is None or d is None:
                    found.append(None)
                    continue
                shape, dtype = tuple(args[i].shape), args[i].dtype
                if not hasattr(d, "shape"):
                    raise GradientError(
                        f"the rule of {name} returned {type(d).__name__} for argument {i}, "
                        f"expected an array of shape {shape}, or None for no gradient"
                    )
                if tuple(d.shape) != shape:
                    raise GradientError(
                        f"the rule of {name} returned a gradient of shape {tuple(d.shape)} "
                        f"for argument {i} of shape {shape}"
                    )
                found.append(to_dtype(array_namespace(d), d, dtype))
            return tuple(found)

        self._primitive.rule(rule)
        self._has_rule = True
        return backward

    def __call__(self, *args: Any, **options: Any) -> Any:
        if not self._has_rule:
            raise GradientError(
                f"{self._primitive.name} has no rule yet",
                hint=f"give it one: @{self._primitive.name}.rule above def backward(g, value, *args)",
            )
        for name, value in options.items():
            if type(value) is Variable:
                raise GradientError(
                    f"option {name!r} of {self._primitive.name} is a variable",
                    hint="pass what a gradient is wanted for by position",
                )
        return self._primitive(*args, **options)


def _with_saved(fn: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Array, Any]:
    value = fn(*args, **options)
    if not hasattr(value, "shape"):
        raise GradientError(f"{fn.__name__} returned {type(value).__name__}, expected one array")
    return value, (value, args, options)


def custom_vjp(fn: Callable[..., Any]) -> CustomVJP:
    """Decorator: a function whose gradient is given by hand.

    Args:
        fn: from arrays (positional) and options (keyword) to one array; it sees plain arrays.

    Returns:
        A callable with the decorator ``.rule``. Written in functions of the standard, the rule can be
        differentiated in its turn.

    >>> import numpy as np
    >>> from learnkit.autodiff import grad
    >>> @custom_vjp
    ... def clipped(x):
    ...     return x * 1.0
    >>> @clipped.rule
    ... def _(g, value, x):
    ...     return (g * 0.5,)
    >>> grad(lambda x: clipped(x))(np.asarray(3.0))
    np.float64(0.5)
    """
    return CustomVJP(fn)


class _Recomputation:
    """The operation of a checkpointed call: runs the function again, and goes back through that."""

    name = "checkpoint"

    @staticmethod
    def backward(xp: Any, g: Array, saved: Any, parents: tuple[Node | None, ...]) -> tuple[Array | None, ...]:
        context, fn, args, options = saved
        start = newest()
        result = context.copy().run(fn, *_as_now(args), **_as_now(options))
        boundary: dict[Node, Array] = {}
        backpropagate([(result.node, g)], xp, boundary=boundary, start=start)
        return tuple(None if p is None else boundary.get(p) for p in parents)


_recomputation = _Recomputation()


def checkpoint(fn: Callable[..., Array]) -> Callable[..., Array]:
    """``fn``, which stores nothing of what it computes and computes it again in the reverse pass.

    Memory for time: over the segments of a deep network the stored values grow as the square root of
    the depth instead of the depth, for one more forward pass.

    Args:
        fn: from arrays to one array. It may use variables of its surroundings, such as the parameters of
            a model, and random layers, which draw the same masks again.

    >>> import numpy as np
    >>> from learnkit.autodiff import grad
    >>> grad(checkpoint(lambda x: x * x * x))(np.asarray(2.0))
    np.float64(12.0)
    """

    @functools.wraps(fn)
    def call(*args: Any, **options: Any) -> Any:
        context = contextvars.copy_context()
        start = newest()
        before = _as_now((args, options))
        result = fn(*args, **options)
        if type(result) is not Variable:
            if any(type(r) is Variable for r in flatten(result)[0]):
                raise GradientError("checkpoint expects a function that returns one array")
            return result
        if result.node.order <= start:
            return result  # handed through, nothing was computed
        level = result.node.level
        node = Node(level, _recomputation, _inputs(result.node, start), (context, fn, *before))
        watching = observer.get()
        if watching is not None:
            watching.recorded(node, result.data)
        return Variable(result.data, node)

    return call


def _as_now(x: Any) -> Any:
    """Variables, also in lists, tuples and dicts, as they are now: an assignment would change them."""
    if type(x) is Variable:
        return copy.copy(x)
    if type(x) in (list, tuple):
        return type(x)(_as_now(part) for part in x)
    if type(x) is dict:
        return {k: _as_now(part) for k, part in x.items()}
    return x


def _inputs(node: Node, start: int) -> tuple[Node, ...]:
    """The nodes older than ``start`` that ``node`` was computed from."""
    found: dict[Node, None] = {}
    seen = {node}
    pending = [node]
    while pending:
        for parent in pending.pop().parents:
            if parent is None or parent in seen:
                continue
            seen.add(parent)
            if parent.order <= start:
                found[parent] = None
            else:
                pending.append(parent)
    return tuple(found)
