"""The author's code as it is written: in training learnkit makes kernels of elementwise functions instead."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from learnkit.autodiff.fused import DifferentiableFused

__all__ = ["as_fused", "as_written"]

_ENGINE = "LEARNKIT_FUSE"
_fused = DifferentiableFused.__call__


def _plainly(self: Any, *args: Any, **options: Any) -> Any:
    return self.function(*args, **options)


@contextlib.contextmanager
def as_written() -> Iterator[None]:
    """A block in which losses are run line by line, so that a mistake has its line.

    Where something is fused all the same, in a ``Trainer``, nothing is compiled: that takes a second each.
    """
    before, engine = DifferentiableFused.__call__, os.environ.get(_ENGINE)
    DifferentiableFused.__call__ = _plainly  # type: ignore[method-assign]
    os.environ.setdefault(_ENGINE, "blocks")
    try:
        yield
    finally:
        DifferentiableFused.__call__ = before  # type: ignore[method-assign]
        if engine is None:
            os.environ.pop(_ENGINE, None)


@contextlib.contextmanager
def as_fused() -> Iterator[None]:
    """Within :func:`as_written`, a block in which losses are fused as in training."""
    before = DifferentiableFused.__call__
    DifferentiableFused.__call__ = _fused  # type: ignore[method-assign]
    try:
        yield
    finally:
        DifferentiableFused.__call__ = before  # type: ignore[method-assign]
