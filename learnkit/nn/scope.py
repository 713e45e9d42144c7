"""The training scope: the only thing that tells a layer that it is being trained.

Outside of it every layer computes as in inference. Inside, a random layer draws from a stream that is
a pure function of ``(seed, the layer's path, step)``, so a step can be repeated exactly, on any
backend, with nothing to save. What a layer learns of the batch beside its gradient, such as a running
mean, it writes into the scope; the buffers change at the end of the block, all together, and only if
the block did not fail.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from contextvars import ContextVar
from typing import Any, Protocol

from learnkit.backends.base import Array
from learnkit.backends.random import stream_id
from learnkit.errors import ArgumentError

__all__ = ["TrainingScope", "current_scope", "training"]


class _HasArray(Protocol):
    array: Any


class TrainingScope:
    """Seed and step of the training step under way, and what its buffers are about to become.

    Attributes:
        seed: of the run.
        step: counts from 0.
        buffers: whether buffers are updated at the end.
    """

    __slots__ = ("_seen", "_written", "buffers", "seed", "step")

    def __init__(self, seed: int, step: int, buffers: bool = True) -> None:
        self.seed = seed
        self.step = step
        self.buffers = buffers
        self._seen: dict[Hashable, int] = {}
        self._written: dict[Any, Array] = {}

    def stream(self, path: str) -> int:
        """The random stream for the layer at ``path``; a layer used twice in a step gets two streams."""
        use = _next_use(path)
        return stream_id(path if use == 0 else f"{path}#{use}")

    def first_time(self, layer: Hashable) -> bool:
        """Whether this use of ``layer`` is computed for the first time, and should be taken note of.

        A segment that ``checkpoint`` computes again uses the layer again, but it is the same use.
        """
        use = _next_use(layer)
        if use < self._seen.get(layer, 0) or not self.buffers:
            return False
        self._seen[layer] = use + 1
        return True

    def read(self, buffer: _HasArray) -> Array:
        """What ``buffer`` will be if nothing more is written: an earlier use in this step counts."""
        found = self._written.get(buffer)
        return buffer.array if found is None else found

    def write(self, buffer: _HasArray, value: Array) -> None:
        """Let ``buffer`` become ``value``, a plain array, at the end of the block."""
        self._written[buffer] = value

    def close(self, *, failed: bool) -> None:
        """Write the buffers, unless the block failed; from now on nothing is taken note of."""
        if not failed:
            for buffer, value in self._written.items():
                buffer.array[...] = value
        self._written.clear()
        self.buffers = False


#: How often each path has drawn, and each layer was used, in this step. Never changed, only replaced: a
#: part that is computed a second time, in a copy of the context, counts from where it did the first time.
_uses: ContextVar[Mapping[Hashable, int]] = ContextVar("learnkit_uses")

_scope: ContextVar[TrainingScope | None] = ContextVar("learnkit_training", default=None)


def _next_use(key: Hashable) -> int:
    uses = _uses.get()
    use = uses.get(key, 0)
    _uses.set({**uses, key: use + 1})
    return use


def current_scope() -> TrainingScope | None:
    """The scope in force, or ``None`` in inference."""
    return _scope.get()


class training:  # noqa: N801  (reads as a verb, like the context managers of the standard library)
    """Within the block layers behave as in training: dropout drops, batch normalisation uses the batch.

    Running statistics change when the block ends, and not at all if it ends with an exception. A part
    of the step that is computed again, by ``checkpoint``, draws the same random numbers and
    updates nothing a second time.

    Args:
        seed: an integer >= 0.
        step: the training step, an integer >= 0; another step draws other masks.
        buffers: ``False`` leaves running statistics as they are, for a loss that is evaluated more than
            once in a step.

    Raises:
        ArgumentError: seed or step is negative or no integer.

    >>> with training(seed=0, step=3) as scope:
    ...     current_scope() is scope
    True
    """

    # A class and not a generator, which a step of a small network would notice.
    __slots__ = ("_counts", "_scope", "_token")

    def __init__(self, seed: int = 0, step: int = 0, *, buffers: bool = True) -> None:
        for name, value in (("seed", seed), ("step", step)):
            if not isinstance(value, int) or value < 0:
                raise ArgumentError(f"{name} is {value!r}, expected an integer >= 0")
        self._scope = TrainingScope(seed, step, buffers)

    def __enter__(self) -> TrainingScope:
        self._token, self._counts = _scope.set(self._scope), _uses.set({})
        return self._scope

    def __exit__(self, kind: object, *_: object) -> None:
        _scope.reset(self._token)
        _uses.reset(self._counts)
        self._scope.close(failed=kind is not None)
