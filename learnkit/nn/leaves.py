"""Leaves: the named arrays of a model, and what stands for them inside a differentiation.

A layer creates :class:`Parameter` and :class:`Buffer` objects in ``__init__``: these *describe* its
arrays. The arrays come into being when a trainer, or :func:`~learnkit.nn.vector.initialize`, lays out
the whole model. Until then, and within a differentiation, something else is read in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from learnkit.backends.base import Array
from learnkit.errors import ArgumentError

if TYPE_CHECKING:
    from learnkit.nn.constraints import Constraint

__all__ = [
    "STANDING_IN",
    "SUBSTITUTED",
    "UNKNOWN",
    "Buffer",
    "Derived",
    "Leaf",
    "Parameter",
    "array_of",
    "finding_sizes",
    "fits",
    "frozen_count",
    "hint_for",
    "in_force",
    "standing_in",
    "substituting",
]

#: What leaves read as inside a differentiation.
SUBSTITUTED: ContextVar[dict[Leaf, Array] | None] = ContextVar("learnkit_substituted", default=None)
#: What makes something to read for leaves without arrays.
STANDING_IN: ContextVar[Callable[[Leaf], Array] | None] = ContextVar("learnkit_standing_in", default=None)

#: In the shape of a leaf: a length that the first batch will tell.
UNKNOWN: Any = None


class Leaf:
    """A named array of a model: its shape, how it starts, and, once initialised, the array itself.

    Args:
        shape: of the array. A length of ``None`` is not known yet: the layer learns it from its first input,
            or from arrays that are loaded.
        init: an initializer ``(shape, seed, stream) -> host array``; see ``learnkit.nn.init``.

    Attributes:
        array: the array, or ``None`` before initialisation. For parameters a view of one long vector.
    """

    __slots__ = ("array", "init", "shape")

    def __init__(self, shape: tuple[int, ...], init: Callable[..., Any]) -> None:
        if not all(n is UNKNOWN or (isinstance(n, int) and n >= 0) for n in shape):
            raise ArgumentError(f"shape is {shape!r}, expected a tuple of integers >= 0")
        self.shape = tuple(shape)
        self.init = init
        self.array: Array | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(shape={self.shape})"


class Parameter(Leaf):
    """A leaf that is learned: it has a gradient and an optimizer moves it.

    Args:
        shape, init: as for every leaf.
        constraint: what its values are brought back to after each update, such as
            :class:`~learnkit.nn.NonNegative`; see :func:`~learnkit.nn.apply_constraints`.

    Attributes:
        trainable: whether it moves; see :meth:`Module.freeze`. A ``Trainer`` takes note before its next step.
    """

    __slots__ = ("_trainable", "constraint")

    def __init__(
        self, shape: tuple[int, ...], init: Callable[..., Any], constraint: Constraint | None = None
    ) -> None:
        super().__init__(shape, init)
        self.constraint = constraint
        self._trainable = True

    @property
    def trainable(self) -> bool:
        """Whether an optimizer moves it."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        _frozen_count[0] += 1


#: How often any parameter was frozen or thawed: what a trainer compares before a step.
_frozen_count = [0]


def frozen_count() -> int:
    """How often any parameter was frozen or thawed so far."""
    return _frozen_count[0]


class Buffer(Leaf):
    """A leaf that belongs to the model and its checkpoints but is not learned, such as a running mean."""

    __slots__ = ()


class Derived(Leaf):
    """A leaf that is computed from others when it is read; it is neither learned nor saved.

    Args:
        shape: of the value.
        compute: gives the value, of the leaves that it reads as they are at that moment.
    """

    __slots__ = ("compute",)

    def __init__(self, shape: tuple[int, ...], compute: Callable[[], Array]) -> None:
        super().__init__(shape, _no_start)
        self.compute = compute


def _no_start(*args: Any, **options: Any) -> Any:
    raise TypeError("a derived leaf has no start values")


class substituting:  # noqa: N801  (used like a function; a class is three times faster than a generator)
    """Within the block, and this thread or task, the leaves that are keys read as the given values."""

    __slots__ = ("_token", "_values")

    def __init__(self, values: dict[Any, Array]) -> None:
        self._values = values

    def __enter__(self) -> None:
        outer = SUBSTITUTED.get()
        self._token = SUBSTITUTED.set({**outer, **self._values} if outer else self._values)

    def __exit__(self, *exc: object) -> None:
        SUBSTITUTED.reset(self._token)


@contextmanager
def standing_in(make: Callable[[Leaf], Array]) -> Iterator[None]:
    """Within the block leaves without arrays read as ``make(leaf)``: a model can be run for its shapes."""
    token = STANDING_IN.set(make)
    try:
        yield
    finally:
        STANDING_IN.reset(token)


def finding_sizes() -> bool:
    """Whether the model is being run for its shapes only: layers take unknown lengths from their input."""
    return STANDING_IN.get() is not None


def in_force(leaf: Leaf) -> Array | None:
    """What the leaf reads as: what is substituted for it, else its array, if it has one yet."""
    substituted = SUBSTITUTED.get()
    value = None if substituted is None else substituted.get(leaf)
    return leaf.array if value is None else value


def array_of(path: str, leaf: Leaf, value: Array | None) -> Array:
    """``value``, which was read of the leaf under ``path``; or an error that says what to do."""
    if value is None:
        raise ArgumentError(f"leaf {path!r} has no array yet", hint=hint_for(leaf))
    return value


def hint_for(leaf: Leaf) -> str:
    """How the leaf comes to have an array."""
    if UNKNOWN in leaf.shape:
        return (
            "its size is taken from the first batch: give the model to a Trainer, which lays it out then, "
            "or call learnkit.nn.initialize(model, x=batch)"
        )
    return "give the model to a Trainer, or call learnkit.nn.initialize(model, seed=0)"


def fits(shape: tuple[int, ...], leaf: Leaf) -> bool:
    """Whether an array of that shape can be the leaf's."""
    if leaf.shape == shape:
        return True
    if len(leaf.shape) != len(shape):
        return False
    return all(want in (n, UNKNOWN) for n, want in zip(shape, leaf.shape, strict=True))
