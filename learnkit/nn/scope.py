"""The training scope: the only thing that tells a layer that it is being trained.

Outside of it every layer computes as in inference. Inside, a random layer draws from a stream that is
a pure function of ``(seed, the layer's path, step)``, so a step can be repeated exactly, on any
backend, with nothing to save.
"""

from __future__ import annotations

from collections.abc import Iterator
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

    __slots__ = ("_uses", "seed", "step")

    def __init__(self, seed: int, step: int) -> None:
        self.seed = seed
        self.step = step
        self._uses: dict[str, int] = {}

    def stream(self, path: str) -> int:
        """The random stream for the layer at ``path``; a layer used twice in a step gets two streams."""
        use = self._uses.get(path, 0)
        self._uses[path] = use + 1
        return stream_id(path if use == 0 else f"{path}#{use}")


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
    token = _scope.set(TrainingScope(seed, step))
    try:
        current = _scope.get()
        assert current is not None
        yield current
    finally:
        _scope.reset(token)
