"""Module: a tree of named leaves and a forward function.

A layer creates its leaves (:mod:`learnkit.nn.leaves`) in ``__init__``. Once the model is laid out, reading
``self.weight`` gives the array, and inside a differentiation the variable that stands for it, so a forward
function is plain array code.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any, Self

import array_api_compat

from learnkit.backends.base import Array, array_namespace
from learnkit.errors import ArgumentError, CheckpointError, ShapeError, did_you_mean
from learnkit.nn.leaves import (
    STANDING_IN,
    SUBSTITUTED,
    UNKNOWN,
    Buffer,
    Derived,
    Leaf,
    Parameter,
    array_of,
    fits,
    frozen_count,
    hint_for,
    in_force,
    substituting,
)

__all__ = ["Buffer", "Module", "Parameter", "frozen_count"]


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
        substituted = SUBSTITUTED.get()  # as in in_force, without the call: a step reads every leaf
        value = None if substituted is None else substituted.get(leaf)
        if value is None:
            value = leaf.array
        if value is None:
            if isinstance(leaf, Derived):
                return leaf.compute()
            make = STANDING_IN.get()
            if make is not None:
                return make(leaf)
            where = f"{self._path}.{name}" if self._path else name
            raise ArgumentError(
                f"leaf {where!r} of {type(self).__name__} has no array yet", hint=hint_for(leaf)
            )
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
        if shape is None or not fits(tuple(shape), leaf):
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
        return {path: array_of(path, leaf, leaf.array) for path, leaf in self._all_leaves()}

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
            if p in arrays and not fits(tuple(arrays[p].shape), leaf)
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
        return {path: array_of(path, leaf, in_force(leaf)) for path, leaf in self.parameters().items()}

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
