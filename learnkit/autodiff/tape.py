"""The recorded graph: nodes, leaves, and the iterative reverse pass over them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextvars import ContextVar
from heapq import heappop, heappush
from typing import Any, Protocol

from learnkit.backends.base import Array

__all__ = ["CONSTANT", "Leaf", "Node", "Operation", "backpropagate", "new_level", "observer"]

_count = itertools.count(1).__next__
_levels = itertools.count(1).__next__

#: ``backward(xp, g, saved, parents)`` returns one gradient for each parent; ``None`` for a parent that is
#: ``None`` (a constant), or whose gradient the rule has already written into the parent's buffer.
Backward = Callable[[Any, Array, Any, "tuple[Node | None, ...]"], "tuple[Array | None, ...]"]


class Operation(Protocol):
    """What a node knows of how it came about: a name for messages, and the rule for the reverse pass."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def backward(self) -> Backward:
        """The rule."""


class Observer(Protocol):
    """Watches what is recorded and what goes backwards; see ``anomaly.py`` and ``explain.py``."""

    def recorded(self, node: Node, value: Any) -> None:
        """``value`` was computed and ``node`` put on the tape."""

    def passing(self, node: Node, g: Array) -> None:
        """``g`` has arrived at ``node``, whose rule comes next."""

    def passed(self, node: Node, gradients: tuple[Array | None, ...]) -> None:
        """The rule of ``node`` has given ``gradients`` for its parents."""


#: Who watches this thread or task; ``None`` outside of diagnosis.
observer: ContextVar[Observer | None] = ContextVar("learnkit_observer", default=None)


def new_level() -> int:
    """A number for one differentiation, larger than that of every differentiation it is nested in."""
    return _levels()


def newest() -> int:
    """The order of a node that would be created now: older nodes have a smaller one."""
    return _count()


class Node:
    """One recorded operation.

    Nodes refer to their parents only, never to their results, so a graph is freed by reference
    counting alone. ``order`` counts creation, which is a topological order.
    """

    __slots__ = ("gradient", "level", "operation", "order", "owned", "parents", "saved")

    def __init__(
        self, level: int, operation: Operation, parents: tuple[Node | None, ...], saved: Any
    ) -> None:
        self.order = _count()
        self.level = level
        self.operation: Operation | None = operation
        self.parents = parents
        self.saved = saved
        self.gradient: Array | None = None
        self.owned: bool  # said when a gradient arrives

    def claim(self) -> Array | None:
        """A buffer to write the whole gradient into; only a :class:`Leaf` has one."""
        return None


class _NoOperation:
    """Of a leaf, which nothing computed."""

    name = "leaf"

    @staticmethod
    def backward(xp: Any, g: Array, saved: Any, parents: tuple[Node | None, ...]) -> tuple[Array | None, ...]:
        return ()


_no_operation = _NoOperation()


#: The node of every constant: an array of a differentiable namespace that no gradient goes through.
CONSTANT = Node(0, _no_operation, (), None)


class Leaf(Node):
    """A point at which gradients arrive: an argument or a parameter.

    Args:
        level: of the differentiation that it belongs to.
        buffer: where to write the gradient, for instance a view of one long gradient vector;
            ``None`` keeps the gradient as a new array.
        path: its name in messages.
    """

    __slots__ = ("buffer", "fresh", "path")

    def __init__(self, level: int, buffer: Array | None = None, path: str = "") -> None:
        super().__init__(level, _no_operation, (), None)
        self.order = 0
        self.buffer = buffer
        self.path = path
        self.fresh = True

    def restart(self, level: int) -> None:
        """Serve another differentiation, with the same buffer."""
        self.level = level
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
            self.gradient = d if self.fresh else self.gradient + d
            self.fresh = False


def backpropagate(
    roots: list[tuple[Node, Array]],
    xp: Any,
    *,
    keep: bool = False,
    boundary: dict[Node, Array] | None = None,
    start: int = 0,
) -> None:
    """Carry gradients from the roots to the leaves, newest operation first.

    Args:
        roots: results and the gradients to start from.
        xp: the namespace of the arrays that the tape wraps.
        keep: leave the tape whole, so that it can be passed again; otherwise every node's saved arrays
            are dropped as soon as it is done, so memory falls as the pass goes.
        boundary: if given, the pass goes through nodes created after ``start`` only; what arrives at
            older ones and at leaves is added up in it.
        start: an order, from :func:`newest`.
    """
    heap: list[tuple[int, Node]] = []
    for node, g in roots:
        _deliver(node, g, heap, boundary, start)
    watching = observer.get()
    while heap:
        node = heappop(heap)[1]
        g = node.gradient
        node.gradient = None
        parents = node.parents
        operation = node.operation
        if operation is None:
            raise RuntimeError("the tape was already used up by an earlier reverse pass")
        if watching is not None:
            watching.passing(node, g)
        gradients = operation.backward(xp, g, node.saved, parents)
        if watching is not None:
            watching.passed(node, gradients)
        if not keep:
            node.saved = node.operation = None
            node.parents = ()
        for parent, d in zip(parents, gradients, strict=True):
            if d is not None and parent is not None:
                if parent.order > start and parent.gradient is None:
                    parent.gradient = d
                    parent.owned = False
                    heappush(heap, (-parent.order, parent))
                else:
                    _deliver(parent, d, heap, boundary, start)


def _deliver(
    node: Node, d: Array, heap: list[tuple[int, Node]], boundary: dict[Node, Array] | None, start: int
) -> None:
    """Give ``d`` to ``node``; the first gradient to arrive also queues it."""
    if boundary is not None and node.order <= start:
        boundary[node] = boundary[node] + d if node in boundary else d
    elif isinstance(node, Leaf):
        node.receive(d)
    elif node.gradient is None:
        node.gradient = d
        node.owned = False  # d may be shared with another parent: it is not ours to change
        heappush(heap, (-node.order, node))
    elif node.owned:
        node.gradient += d
    else:
        node.gradient = node.gradient + d
        node.owned = True
