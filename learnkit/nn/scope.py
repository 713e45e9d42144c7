"""The training scope: the only thing that tells a layer that it is being trained.

Outside of it every layer computes as in inference. Inside, a random layer draws from a stream that is
a pure function of ``(seed, the layer's path, step)``, so a step can be repeated exactly, on any
backend, with nothing to save.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from learnkit.backends.random import stream_id
from learnkit.errors import ArgumentError

__all__ = ["TrainingScope", "current_scope", "training"]


class TrainingScope:
    """Seed and step of the training step under way.

    Attributes:
        seed: of the run.
        step: counts from 0.
    """

    __slots__ = ("seed", "step")

    def __init__(self, seed: int, step: int) -> None:
        self.seed = seed
        self.step = step

    def stream(self, path: str) -> int:
        """The random stream for the layer at ``path``; a layer used twice in a step gets two streams."""
        uses = _uses.get()
        use = uses.get(path, 0)
        _uses.set({**uses, path: use + 1})
        return stream_id(path if use == 0 else f"{path}#{use}")


#: How often each path has drawn in this step. Never changed, only replaced: a part of the step that is
#: computed a second time, in a copy of the context, counts from where it did the first time.
_uses: ContextVar[Mapping[str, int]] = ContextVar("learnkit_uses")

_scope: ContextVar[TrainingScope | None] = ContextVar("learnkit_training", default=None)


def current_scope() -> TrainingScope | None:
    """The scope in force, or ``None`` in inference."""
    return _scope.get()


@contextmanager
def training(seed: int = 0, step: int = 0) -> Iterator[TrainingScope]:
    """Within the block layers behave as in training: dropout drops.

    Args:
        seed: an integer >= 0.
        step: the training step, an integer >= 0; another step draws other masks.

    >>> with training(seed=0, step=3) as scope:
    ...     current_scope() is scope
    True
    """
    for name, value in (("seed", seed), ("step", step)):
        if not isinstance(value, int) or value < 0:
            raise ArgumentError(f"{name} is {value!r}, expected an integer >= 0")
    scope = TrainingScope(seed, step)
    token, counts = _scope.set(scope), _uses.set({})
    try:
        yield scope
    finally:
        _scope.reset(token)
        _uses.reset(counts)
