"""A primitive: a function together with its rule for the reverse pass.

::

    @primitive()
    def exp(xp, x):                     # forward: the value, and what the rule needs
        y = xp.exp(x)
        return y, y

    @exp.rule
    def _(xp, g, y, parents):           # reverse: one gradient for each argument
        return (xp.multiply(g, y),)

Both are written against the namespace ``xp`` with its *functions*, never operators between two
arrays: in a gradient of a gradient some operands are variables and others plain arrays, and not every
library lets ``array * variable`` reach the variable.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from learnkit.autodiff.tape import CONSTANT, Backward, Node, observer
from learnkit.autodiff.variable import Variable
from learnkit.backends.base import Array, array_namespace

__all__ = ["Primitive", "plain_and_parents", "primitive", "without_first"]


class Primitive:
    """Calls its forward function on plain arrays and records the call if an argument is a variable.

    Args:
        forward: ``(xp, *arrays, *options, **options) -> (value, what the rule needs)``.
        name: for messages; that of ``forward`` by default.
        arrays: how many of the positional arguments are arrays (or Python numbers) and can have a
            gradient; ``None`` is all of them. The rule returns that many gradients.
    """

    def __init__(
        self, forward: Callable[..., tuple[Array, Any]], name: str | None = None, *, arrays: int | None = None
    ) -> None:
        self.forward = forward
        self.name = name or forward.__name__
        self.arrays = arrays
        self.__name__ = self.name
        self.__doc__ = forward.__doc__
        self.backward: Backward = _missing_rule

    @property
    def __signature__(self) -> inspect.Signature:
        """That of the standard: the forward function's without the namespace."""
        return without_first(self.forward)

    def rule(self, backward: Backward) -> Backward:
        """Decorator for the reverse rule ``(xp, g, saved, parents) -> gradients``."""
        self.backward = backward
        return backward

    def __call__(self, *args: Any, **options: Any) -> Array:
        rest: tuple[Any, ...] = ()
        if self.arrays is not None:
            args, rest = args[: self.arrays], args[self.arrays :]
        # Nearly always all variables belong to one differentiation; then this one pass does it.
        plain: list[Any] = []
        parents: list[Node | None] = []
        level = -1
        for a in args:
            if type(a) is Variable:
                node = a.node
                if level != node.level:
                    if level >= 0:
                        plain, parents, level = plain_and_parents(args)
                        break
                    level = node.level
                plain.append(a.data)
                parents.append(node)
            else:
                plain.append(a)
                parents.append(None)
        value, saved = self.forward(array_namespace(*plain), *plain, *rest, **options)
        if level > 0:
            node = Node(level, self, tuple(parents), saved)
            watching = observer.get()
            if watching is not None:
                watching.recorded(node, value)
            return Variable(value, node)
        return value if level < 0 else Variable(value, CONSTANT)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


def without_first(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function less its first parameter."""
    signature = inspect.signature(function)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def plain_and_parents(args: tuple[Any, ...]) -> tuple[list[Any], list[Node | None], int]:
    """Arguments below the newest differentiation among them: plain values, their nodes, and its level.

    What is not a variable of that differentiation is a constant for it, node ``None``, though it may be
    a variable of an outer one. The level is 0 if all variables are constants, and -1 if there are none.
    """
    level = -1
    for a in args:
        if type(a) is Variable and a.node.level > level:
            level = a.node.level
    if level < 0:
        return list(args), [], -1
    plain: list[Any] = []
    parents: list[Node | None] = []
    for a in args:
        if type(a) is Variable:
            node = a.node
            if node.level == level and level:
                plain.append(a.data)
                parents.append(node)
                continue
            if not node.level:
                a = a.data
        plain.append(a)
        parents.append(None)
    return plain, parents, level


def primitive(arrays: int | None = None) -> Callable[[Callable[..., tuple[Array, Any]]], Primitive]:
    """Decorator: make a :class:`Primitive` of a forward function."""

    def make(forward: Callable[..., tuple[Array, Any]]) -> Primitive:
        return Primitive(forward, arrays=arrays)

    return make


def _missing_rule(
    xp: Any, g: Array, saved: Any, parents: tuple[Node | None, ...]
) -> tuple[Array | None, ...]:
    raise RuntimeError("a primitive was recorded before its rule was given")
