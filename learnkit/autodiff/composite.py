"""Two more ways to make a differentiable function: of others, and with several results.

A :class:`Composite` is written in functions that are differentiable already, and so needs no rule; on
plain arrays it is the library's own function. :func:`several` makes a primitive with several results
that share one rule, such as a decomposition.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from learnkit.autodiff.primitive import plain_and_parents, without_first
from learnkit.autodiff.tape import CONSTANT, Backward, Node, observer
from learnkit.autodiff.variable import Variable
from learnkit.backends.base import Array, array_namespace

__all__ = ["Composite", "constants", "several"]


class Composite:
    """``function(xp, ...)`` on variables, ``find(xp)(...)`` on plain arrays.

    Args:
        name: of the function in the standard.
        function: takes the differentiable namespace first.
        find: from a namespace of plain arrays to the library's function.
    """

    def __init__(
        self, name: str, function: Callable[..., Any], find: Callable[[Any], Callable[..., Any]]
    ) -> None:
        self.name = name
        self.function = function
        self.find = find
        self.__name__ = name
        self.__doc__ = function.__doc__

    @property
    def __signature__(self) -> inspect.Signature:
        """That of the standard: the function's without the namespace."""
        return without_first(self.function)

    def __call__(self, *args: Any, **options: Any) -> Any:
        arrays = [a for a in (*args, *options.values()) if _is_array(a)]
        level = max((a.node.level for a in arrays if type(a) is Variable), default=-1)
        if level > 0:
            return self.function(array_namespace(*arrays), *args, **options)
        if level == 0:  # constants alone: the library's own function, which knows integers too
            args = tuple(a.data if type(a) is Variable else a for a in args)
            options = {k: v.data if type(v) is Variable else v for k, v in options.items()}
            arrays = [a.data if type(a) is Variable else a for a in arrays]
        value = self.find(array_namespace(*arrays))(*args, **options)
        return constants(value) if level == 0 else value

    def __repr__(self) -> str:
        return f"<composite {self.name}>"


def constants(value: Any) -> Any:
    """Arrays, and tuples and lists of arrays, as constants; anything else as it is."""
    if isinstance(value, (tuple, list)) and any(_is_array(v) for v in value):
        parts = [constants(v) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return Variable(value, CONSTANT) if _is_array(value) else value


def _is_array(x: Any) -> bool:
    return hasattr(x, "dtype") and hasattr(x, "shape") and not isinstance(x, type)


class _Gradients:
    """The gradients of several results on their way to the one rule; ``None`` for those without."""

    __slots__ = ("parts",)

    def __init__(self, parts: tuple[Array | None, ...]) -> None:
        self.parts = parts

    def __add__(self, other: _Gradients) -> _Gradients:
        return _Gradients(
            tuple(
                b if a is None else a if b is None else a + b
                for a, b in zip(self.parts, other.parts, strict=True)
            )
        )


class _Operation:
    """A name and a rule."""

    __slots__ = ("backward", "name")

    def __init__(self, name: str, backward: Backward) -> None:
        self.name = name
        self.backward = backward


def _pick(xp: Any, g: Array, saved: tuple[int, int], parents: tuple[Node | None, ...]) -> tuple[Any, ...]:
    place, count = saved
    return (_Gradients(tuple(g if i == place else None for i in range(count))),)


def several(
    name: str,
    forward: Callable[..., tuple[tuple[Array, ...], Any]],
    backward: Callable[..., tuple[Array | None, ...]],
    result: Callable[..., Any],
) -> Callable[..., Any]:
    """A primitive with several results.

    Args:
        name: for messages.
        forward: ``(xp, *arrays, **options) -> ((value, ...), saved)``.
        backward: ``(xp, gradients, saved, parents) -> gradients of the arguments``, where an entry of
            the tuple ``gradients`` is ``None`` if the loss does not depend on that result.
        result: makes the returned tuple, a named tuple's class.
    """

    def joint(xp: Any, g: Any, saved: Any, parents: tuple[Node | None, ...]) -> tuple[Array | None, ...]:
        return backward(xp, g.parts, saved, parents)

    whole, part = _Operation(name, joint), _Operation(f"{name} result", _pick)

    def call(*args: Any, **options: Any) -> Any:
        plain, parents, level = plain_and_parents(args)
        values, saved = forward(array_namespace(*plain), *plain, **options)
        if level <= 0:
            return result(*(values if level < 0 else (Variable(v, CONSTANT) for v in values)))
        node = Node(level, whole, tuple(parents), saved)
        nodes = [Node(level, part, (node,), (i, len(values))) for i in range(len(values))]
        watching = observer.get()
        if watching is not None:
            watching.recorded(node, values)
            for n, v in zip(nodes, values, strict=True):
                watching.recorded(n, v)
        return result(*(Variable(v, n) for v, n in zip(values, nodes, strict=True)))

    call.__name__ = name
    call.__signature__ = without_first(forward)  # type: ignore[attr-defined]
    return call
