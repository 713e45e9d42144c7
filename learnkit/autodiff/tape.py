"""The recorded graph: nodes, leaves, and the iterative reverse pass over them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from learnkit.backends.base import Array

__all__ = ["Leaf", "Node", "backpropagate", "new_level"]

_count = itertools.count(1).__next__
_levels = itertools.count(1).__next__

#: ``backward(xp, g, saved, parents)`` returns one gradient for each parent; ``None`` for a parent that is
#: ``None`` (a constant), or whose gradient the rule has already written into the parent's buffer.
Backward = Callable[[Any, Array, Any, "tuple[Node | None, ...]"], "tuple[Array | None, ...]"]


def new_level() -> int:
    """A number for one differentiation, larger than that of every differentiation it is nested in."""
    return _levels()


class Node:
    """One recorded operation.

    Nodes refer to their parents only, never to their results, so a graph is freed by reference
    counting alone. ``order`` counts creation, which is a topological order.
    """

    __slots__ = ("backward", "gradient", "level", "order", "owned", "parents", "saved")

    def __init__(self, level: int, backward: Backward, parents: tuple[Node | None, ...], saved: Any) -> None:
        self.order = _count()
        self.level = level
        self.backward: Backward | None = backward
        self.parents = parents
        self.saved = saved
        self.gradient: Array | None = None
        self.owned = False


class Leaf(Node):
    """A point at which gradients arrive: an argument or a parameter.

    Args:
        level: of the differentiation that it belongs to.
        buffer: where to write the gradient, for instance a view of one long gradient vector;
            ``None`` keeps the gradient as a new array.
    """

    __slots__ = ("buffer", "fresh")

    def __init__(self, level: int, buffer: Array | None = None) -> None:
        super().__init__(level, _no_backward, (), None)
        self.order = 0
        self.buffer = buffer
        self.fresh = True

    def claim(self) -> Array | None:
        """The buffer, if it is still unwritten; the caller then writes the whole gradient into it."""
        if self.fresh and self.buffer is not None:
            self.fresh = False
            return self.buffer
        return None

    def receive(self, d: Array) -> None:
        """Add ``d`` to the gradient that has arrived so far."""
        if self.buffer is not None:
            if self.fresh:
                self.buffer[...] = d
                self.fresh = False
            else:
                self.buffer += d
        else:
            self.gradient = d if self.fresh else _plus(self.gradient, d)
            self.fresh = False


def _no_backward(xp: Any, g: Array, saved: Any, parents: tuple[Node | None, ...]) -> tuple[Array | None, ...]:
    return ()


def backpropagate(roots: list[tuple[Node, Array]], xp: Any, *, keep: bool = False) -> None:
    """Carry gradients from the roots to the leaves, newest operation first.

    Args:
        roots: results and the gradients to start from.
        xp: the namespace of the arrays that the tape wraps.
        keep: leave the tape whole, so that it can be passed again; otherwise every node's saved arrays
            are dropped as soon as it is done, so memory falls as the pass goes.
    """
    heap: list[tuple[int, Node]] = []
    for node, g in roots:
        _arrive(node, g, heap)
    while heap:
        node = heappop(heap)[1]
        g = node.gradient
        node.gradient = None
        parents = node.parents
        backward = node.backward
        if backward is None:
            raise RuntimeError("the tape was already used up by an earlier reverse pass")
        gradients = backward(xp, g, node.saved, parents)
        if not keep:
            node.saved = node.backward = None
            node.parents = ()
        for parent, d in zip(parents, gradients, strict=True):
            if d is not None and parent is not None:
                if parent.order and parent.gradient is None:
                    parent.gradient = d
                    parent.owned = False
                    heappush(heap, (-parent.order, parent))
                else:
                    _arrive(parent, d, heap)


def _arrive(node: Node, d: Array, heap: list[tuple[int, Node]]) -> None:
    """Give ``d`` to ``node``; the first gradient to arrive also queues it."""
    if isinstance(node, Leaf):
        node.receive(d)
    elif node.gradient is None:
        node.gradient = d
        node.owned = False  # d may be shared with another parent: it is not ours to change
        heappush(heap, (-node.order, node))
    elif node.owned and not _wraps(d):
        node.gradient += d
    else:
        node.gradient = _plus(node.gradient, d)
        node.owned = True


def _wraps(d: Array) -> bool:
    """Whether ``d`` is a variable of an outer differentiation."""
    return getattr(type(d), "wraps_arrays", False)


def _plus(a: Array, b: Array) -> Array:
    """The sum, with a variable on the left: not every library lets ``array + variable`` reach it."""
    return b + a if _wraps(b) else a + b
