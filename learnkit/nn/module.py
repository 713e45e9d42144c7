"""Module: a tree of named leaves and a forward function.

A layer creates :class:`Parameter` and :class:`Buffer` objects in ``__init__``: these *describe* its
arrays. The arrays come into being when a trainer, or :func:`~learnkit.nn.vector.initialize`, lays out
the whole model. From then on reading ``self.weight`` gives the array, and inside a differentiation
the variable that stands for it, so a forward function is plain array code.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Self

import array_api_compat

from learnkit.backends.base import Array, array_namespace
from learnkit.errors import ArgumentError, CheckpointError, ShapeError, did_you_mean

if TYPE_CHECKING:
    from learnkit.nn.constraints import Constraint

__all__ = ["Buffer", "Module", "Parameter"]

_substituted: ContextVar[dict[Leaf, Array] | None] = ContextVar("learnkit_substituted", default=None)
_standing_in: ContextVar[Callable[[Leaf], Array] | None] = ContextVar("learnkit_standing_in", default=None)

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
        outer = _substituted.get()
        self._token = _substituted.set({**outer, **self._values} if outer else self._values)

    def __exit__(self, *exc: object) -> None:
        _substituted.reset(self._token)


@contextmanager
def standing_in(make: Callable[[Leaf], Array]) -> Iterator[None]:
    """Within the block leaves without arrays read as ``make(leaf)``: a model can be run for its shapes."""
    token = _standing_in.set(make)
    try:
        yield
    finally:
        _standing_in.reset(token)


def finding_sizes() -> bool:
    """Whether the model is being run for its shapes only: layers take unknown lengths from their input."""
    return _standing_in.get() is not None


class Module:
    """Base of all layers and models.

    A subclass creates its leaves and sub-modules as attributes in ``__init__`` and computes in
    ``__call__``, from a variable or an array to one of the same kind.

    >>> class Scale(Module):
    ...     '''y = a x.'''
    ...     def __init__(self, size):
    ...         from learnkit.nn.init import Ones
    ...         self.a = Parameter((size,), Ones())
    ...     def __call__(self, x):
    ...         return x * self.a
    >>> list(Scale(3).parameters())
    ['a']
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        # Kept so that a model can be described, saved and built again; see config().
        self.__dict__.update(_leaves={}, _children={}, _arguments=(args, kwargs), _path="")
        return self

    def __init__(self) -> None:
        """A module without options; a subclass with options writes its own and need not call this."""

    def __call__(self, x: Any) -> Any:
        raise TypeError(f"{type(self).__name__} defines no forward function: give it a __call__(self, x)")

    # Leaves and sub-modules are attributes, kept apart from the plain ones

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Leaf):
            self._leaves[name] = value
            self._children.pop(name, None)
            self.__dict__.pop(name, None)
        elif name in self._leaves:
            self._assign(name, value)
        else:
            if isinstance(value, Module):
                self._children[name] = value
            else:
                self._children.pop(name, None)
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        # Reached only for names that are no plain attribute: leaves live in their own dict.
        leaves = self.__dict__.get("_leaves", {})
        leaf = leaves.get(name)
        if leaf is None:
            close = did_you_mean(name, leaves)
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}{close}")
        substituted = _substituted.get()  # as in _in_force, without the call: a step reads every leaf
        value = None if substituted is None else substituted.get(leaf)
        if value is None:
            value = leaf.array
        if value is None:
            if isinstance(leaf, Derived):
                return leaf.compute()
            make = _standing_in.get()
            if make is not None:
                return make(leaf)
            where = f"{self._path}.{name}" if self._path else name
            raise ArgumentError(f"leaf {where!r} of {type(self).__name__} has no array yet", hint=_hint(leaf))
        return value

    def _assign(self, name: str, value: Any) -> None:
        """Write the values of an array into a leaf, in place where there is an array already."""
        leaf = self._leaves[name]
        if isinstance(leaf, Derived):
            raise ArgumentError(
                f"leaf {name!r} of {type(self).__name__} is computed from others and cannot be set",
                hint="set what it is computed from",
            )
        shape = getattr(value, "shape", None)
        if shape is None or not _fits(tuple(shape), leaf):
            got = type(value).__name__ if shape is None else tuple(shape)
            raise ShapeError(f"leaf {name!r} of {type(self).__name__} has shape {leaf.shape}, got {got}")
        if leaf.array is None:
            self._settle(name, tuple(shape))
            leaf.array = value
        else:
            leaf.array[...] = array_namespace(leaf.array).asarray(
                value, dtype=leaf.array.dtype, device=array_api_compat.device(leaf.array)
            )

    def _settle(self, name: str, shape: tuple[int, ...]) -> None:
        """Fix lengths of a leaf's shape that were unknown; a layer that keeps sizes itself overrides it."""
        self._leaves[name].shape = shape

    # The tree

    def children(self) -> dict[str, Module]:
        """The direct sub-modules by name."""
        return dict(self._children)

    def modules(self) -> dict[str, Module]:
        """This module under ``""`` and all below it under dotted paths; a shared one once."""
        found: dict[str, Module] = {}
        seen: set[int] = set()
        pending: list[tuple[str, Module]] = [("", self)]
        while pending:
            path, module = pending.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            found[path] = module
            below = [(f"{path}.{n}" if path else n, m) for n, m in module._children.items()]
            pending.extend(reversed(below))
        return found

    def _all_leaves(self) -> Iterator[tuple[str, Leaf]]:
        seen: set[int] = set()
        for path, module in self.modules().items():
            for name, leaf in module._leaves.items():
                if id(leaf) not in seen and not isinstance(leaf, Derived):
                    seen.add(id(leaf))
                    yield (f"{path}.{name}" if path else name), leaf

    def parameters(self) -> dict[str, Parameter]:
        """The learned leaves by dotted path, in order of definition; a shared one once."""
        return {p: leaf for p, leaf in self._all_leaves() if isinstance(leaf, Parameter)}

    def buffers(self) -> dict[str, Buffer]:
        """The leaves that are kept but not learned, by dotted path."""
        return {p: leaf for p, leaf in self._all_leaves() if isinstance(leaf, Buffer)}

    def arrays(self) -> dict[str, Array]:
        """The arrays of parameters and buffers by dotted path: what a checkpoint holds."""
        return {path: _array(path, leaf, leaf.array) for path, leaf in self._all_leaves()}

    def unknown_sizes(self) -> list[str]:
        """Paths of the leaves whose shape the first batch has to tell."""
        return [path for path, leaf in self._all_leaves() if UNKNOWN in leaf.shape]

    def load_arrays(self, arrays: dict[str, Array]) -> None:
        """Set every parameter and buffer from ``arrays``, as :meth:`arrays` gives them.

        Raises:
            CheckpointError: paths are missing, unexpected or of another shape; all are named, and
                nothing is changed.
        """
        leaves = dict(self._all_leaves())
        wrong = [f"missing {p!r}" for p in leaves if p not in arrays]
        wrong += [f"unexpected {p!r}{did_you_mean(p, leaves)}" for p in arrays if p not in leaves]
        wrong += [
            f"{p!r} has shape {tuple(arrays[p].shape)}, expected {leaf.shape}"
            for p, leaf in leaves.items()
            if p in arrays and not _fits(tuple(arrays[p].shape), leaf)
        ]
        if wrong:
            shown = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
            raise CheckpointError(f"arrays do not fit this {type(self).__name__}: {shown}")
        for path, module in self.modules().items():
            for name in module._leaves:
                full = f"{path}.{name}" if path else name
                if full in arrays:  # a shared leaf is listed once, under its first path
                    module._assign(name, arrays[full])

    def freeze(self, *patterns: str) -> None:
        """Let parameters stay as they are: no gradient, no update, no weight decay.

        Args:
            patterns: of dotted paths with wild cards, ``"0.*"``, ``"*.bias"``; none of them freezes all.

        Raises:
            ArgumentError: a pattern fits no parameter.
        """
        for leaf in self._fitting(patterns):
            leaf.trainable = False

    def unfreeze(self, *patterns: str) -> None:
        """Let frozen parameters move again; ``patterns`` are as for :meth:`freeze`."""
        for leaf in self._fitting(patterns):
            leaf.trainable = True

    def _fitting(self, patterns: tuple[str, ...]) -> list[Parameter]:
        parameters = self.parameters()
        chosen: dict[str, Parameter] = {} if patterns else parameters
        for pattern in patterns:
            fitting = {p: leaf for p, leaf in parameters.items() if fnmatchcase(p, pattern)}
            if not fitting:
                near = did_you_mean(pattern, parameters)
                raise ArgumentError(
                    f"no parameter fits the pattern {pattern!r}{near}",
                    hint=f"parameters: {', '.join(parameters) or 'none'}",
                )
            chosen |= fitting
        return list(chosen.values())

    # What differentiation asks of a model (learnkit.backends.tree.Substitutable)

    def leaves(self) -> dict[str, Array]:
        """The arrays of the parameters by dotted path: what a gradient is taken for.

        Inside a differentiation they are its variables, so that gradients of gradients work.
        """
        return {path: _array(path, leaf, _in_force(leaf)) for path, leaf in self.parameters().items()}

    @contextmanager
    def substituted(self, values: dict[str, Array]) -> Iterator[None]:
        """Within the block, and this thread or task, parameters read as ``values`` (by dotted path)."""
        parameters = self.parameters()
        unknown = [p for p in values if p not in parameters]
        if unknown:
            raise ArgumentError(f"no parameter {unknown[0]!r}{did_you_mean(unknown[0], parameters)}")
        with substituting({parameters[p]: v for p, v in values.items()}):
            yield

    # Description

    def config(self) -> dict[str, Any]:
        """The constructor's arguments by name, without those left at their default."""
        args, kwargs = self._arguments
        bound = inspect.signature(type(self).__init__).bind(self, *args, **kwargs)
        options: dict[str, Any] = {}
        for name, value in list(bound.arguments.items())[1:]:
            parameter = bound.signature.parameters[name]
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                options.update(value)
            elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                options[name] = list(value)
            elif parameter.default is inspect.Parameter.empty or value != parameter.default:
                options[name] = value
        return options

    def __repr__(self) -> str:
        shown = ", ".join(
            ", ".join(map(repr, v)) if isinstance(v, list) and n == "layers" else f"{n}={v!r}"
            for n, v in self.config().items()
        )
        return f"{type(self).__name__}({shown})"


def _in_force(leaf: Leaf) -> Array | None:
    """What the leaf reads as: what is substituted for it, else its array, if it has one yet."""
    substituted = _substituted.get()
    value = None if substituted is None else substituted.get(leaf)
    return leaf.array if value is None else value


def _array(path: str, leaf: Leaf, value: Array | None) -> Array:
    if value is None:
        raise ArgumentError(f"leaf {path!r} has no array yet", hint=_hint(leaf))
    return value


def _hint(leaf: Leaf) -> str:
    if UNKNOWN in leaf.shape:
        return (
            "its size is taken from the first batch: give the model to a Trainer, which lays it out then, "
            "or call learnkit.nn.initialize(model, x=batch)"
        )
    return "give the model to a Trainer, or call learnkit.nn.initialize(model, seed=0)"


def _fits(shape: tuple[int, ...], leaf: Leaf) -> bool:
    """Whether an array of that shape can be the leaf's."""
    if leaf.shape == shape:
        return True
    if len(leaf.shape) != len(shape):
        return False
    return all(want in (n, UNKNOWN) for n, want in zip(shape, leaf.shape, strict=True))
