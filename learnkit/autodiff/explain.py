"""The recorded graph of a function, for people: as text and as a drawing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from learnkit.autodiff.drawing import draw
from learnkit.autodiff.reverse import vjp
from learnkit.autodiff.tape import Leaf, Node, new_level, observer
from learnkit.autodiff.variable import arrays_in, plain_value
from learnkit.backends.base import Array, array_namespace, size_of
from learnkit.backends.tree import Leaves, flatten

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True)
class Step:
    """One recorded operation, or an argument.

    Attributes:
        number: place in the order of computation; arguments come first.
        name: of the operation, or the path of the argument.
        shape, dtype: of its value.
        inputs: the numbers of the steps that it was computed from.
        saved: bytes kept for the reverse pass.
        turn: place in the reverse pass, from 1; ``None`` if no gradient comes by.
    """

    number: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    inputs: tuple[int, ...]
    saved: int
    turn: int | None

    @property
    def label(self) -> str:
        """The name, as a drawing shows it."""
        return self.name

    @property
    def kind(self) -> str:
        """Shape and dtype."""
        return f"{self.shape} {self.dtype}"


@dataclass(frozen=True)
class Explanation:
    """How a value came about, and the way its gradient takes back; made by :func:`explain`.

    ``str()`` and :attr:`text` give a table, :attr:`svg` a drawing, which notebooks show by themselves.

    Attributes:
        steps: arguments and operations in the order of computation.
    """

    steps: tuple[Step, ...]

    @property
    def text(self) -> str:
        """A line for each step, forward and then backward."""
        if not self.steps:
            return "nothing was recorded: no result was computed from an argument"
        rows = [("step", "operation", "value", "from", "saved for backward")]
        for s in self.steps:
            origin = ", ".join(f"#{i}" for i in s.inputs) or "argument"
            rows.append((f"#{s.number}", s.name, s.kind, origin, f"{s.saved:,} B" if s.inputs else ""))
        widths = [max(len(r[i]) for r in rows) for i in range(5)]
        lines = ["forward"]
        lines += ["  " + "  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
        lines.append(f"  {sum(s.saved for s in self.steps):,} B kept in all")
        lines.append("backward")
        for s in sorted((s for s in self.steps if s.turn is not None), key=lambda s: s.turn or 0):
            to = ", ".join(
                f"#{i} {self.steps[i].name} {self.steps[i].shape}" for i in dict.fromkeys(s.inputs)
            )
            lines.append(f"  {s.turn}. #{s.number} {s.name} passes the gradient on to {to}")
        return "\n".join(lines)

    @property
    def svg(self) -> str:
        """A drawing: values flow down along grey arrows, gradients up along red ones."""
        return draw(self.steps)

    def save(self, path: str | Path) -> Path:
        """Write the drawing (``.svg``) or the text (any other ending) to a file."""
        path = Path(path)
        path.write_text(self.svg if path.suffix == ".svg" else self.text + "\n", encoding="utf-8")
        return path

    def _repr_svg_(self) -> str:
        return self.svg

    def __str__(self) -> str:
        return self.text


def explain(fn: Callable[..., Any]) -> Callable[..., Explanation]:
    """The function that runs ``fn``, forward and backward, and returns what was recorded.

    Args:
        fn: from arrays, trees of arrays or models to an array or a tree of arrays. Keyword arguments are
            passed on and not differentiated, such as integer labels.

    >>> import numpy as np
    >>> print(explain(lambda x, w: x * w + 1.0)(np.ones(2), np.ones(2)))
    forward
      step  operation   value         from      saved for backward
      #0    argument 0  (2,) float64  argument
      #1    argument 1  (2,) float64  argument
      #2    multiply    (2,) float64  #0, #1    32 B
      #3    add         (2,) float64  #2        0 B
      32 B kept in all
    backward
      1. #3 add passes the gradient on to #2 multiply (2,)
      2. #2 multiply passes the gradient on to #0 argument 0 (2,), #1 argument 1 (2,)
    """

    def explained(*args: Any, **kwargs: Any) -> Explanation:
        recorder = _Recorder()
        token = observer.set(recorder)
        try:
            value, pullback = vjp(partial(fn, **kwargs) if kwargs else fn, *args)
            outputs, rebuild = flatten(value)
            recorder.forward = False
            pullback(rebuild([array_namespace(y).ones_like(y) for y in outputs]))
        finally:
            observer.reset(token)
        return recorder.explanation(args)

    return explained


class _Recorder:
    """Takes down what is recorded and in which order gradients come by.

    Attributes:
        forward: whether operations are taken down; what is computed a second time, in the reverse pass,
            is not.
    """

    def __init__(self) -> None:
        self.forward = True
        self._outer = new_level()
        self._nodes: dict[Node, tuple[str, tuple[int, ...], str, int]] = {}
        self._passed: list[Node] = []

    def recorded(self, node: Node, value: Any) -> None:
        if self.forward:
            first = plain_value(value[0] if isinstance(value, tuple) else value)
            name = "?" if node.operation is None else node.operation.name
            self._nodes[node] = (name, tuple(first.shape), _dtype(first), _bytes(node.saved))

    def passing(self, node: Node, g: Array) -> None:
        self._passed.append(node)

    def passed(self, node: Node, gradients: tuple[Array | None, ...]) -> None:
        """Nothing to take down."""

    def explanation(self, args: tuple[Any, ...]) -> Explanation:
        """What the result was computed from, numbered.

        Left out are differentiations inside of the function, or around it, and what was not needed after
        all: a gradient comes by everything else.
        """
        level = min((n.level for n in self._nodes if n.level > self._outer), default=0)
        passed = set(self._passed)
        nodes = [n for n in self._nodes if n.level == level and n in passed]
        values = _values(args)
        leaves = {p.path: p for n in nodes for p in n.parents if isinstance(p, Leaf)}
        order: list[Node] = [leaves[path] for path in values if path in leaves]
        numbers = {n: i for i, n in enumerate([*order, *nodes])}
        turns = {n: i + 1 for i, n in enumerate(n for n in self._passed if n in numbers)}
        steps = [
            Step(i, path, *values[path], (), 0, None)
            for i, path in enumerate(p for p in values if p in leaves)
        ]
        for n in nodes:
            name, shape, dtype, saved = self._nodes[n]
            inputs = tuple(numbers[p] for p in n.parents if p is not None and p in numbers)
            steps.append(Step(numbers[n], name, shape, dtype, inputs, saved, turns.get(n)))
        return Explanation(tuple(steps))


def _values(args: tuple[Any, ...]) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and dtype of every leaf by its name in messages."""
    found = {}
    for i, arg in enumerate(args):
        leaves = Leaves(arg, name=f"argument {i}")
        for path, value in zip(leaves.named, leaves.values, strict=True):
            found[path] = (tuple(value.shape), _dtype(value))
    return found


def _dtype(x: Any) -> str:
    return str(x.dtype).rsplit(".", 1)[-1]


def _bytes(saved: Any) -> int:
    """Bytes of the arrays among what a node saved."""
    return sum(size_of(tuple(a.shape)) * _item_bits(a) // 8 for a in arrays_in(saved))


def _item_bits(a: Array) -> int:
    xp = array_namespace(a)
    if xp.isdtype(a.dtype, "real floating"):
        return int(xp.finfo(a.dtype).bits)
    if xp.isdtype(a.dtype, "complex floating"):
        return 128 if _dtype(a) == "complex128" else 64
    return 8 if xp.isdtype(a.dtype, "bool") else int(xp.iinfo(a.dtype).bits)
