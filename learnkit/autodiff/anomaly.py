"""Finding where the first NaN or infinity comes from."""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from learnkit.autodiff.tape import Leaf, Node, observer
from learnkit.autodiff.variable import arrays_in, plain_value
from learnkit.backends.base import Array, array_namespace, backend_of
from learnkit.errors import GradientError

__all__ = ["detect_anomaly"]

_PARTS_OF_INSTALLED = frozenset(("site-packages", "dist-packages"))
_PACKAGE = str(Path(__file__).parents[1]) + os.sep


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Within the block, the first value or gradient that is not finite raises, with where it arose.

    The message names the operation, the line of your code that called it, and the leaves, arguments or
    parameters by path, that it was computed from. A value that was changed in place between the forward
    and the reverse pass is found too. Every operation is looked at, so this is slow, and waits for the
    device: use it to find a fault, not to train.

    Raises:
        GradientError: (inside the block) something is not finite, or was changed in place.

    >>> import numpy as np
    >>> from learnkit.autodiff import grad
    >>> with detect_anomaly():
    ...     grad(lambda x: x * 2.0)(np.asarray(1.0))
    np.float64(2.0)
    """
    token = observer.set(_Watch())
    try:
        yield
    finally:
        observer.reset(token)


class _Watch:
    """Remembers where each node was recorded, and what it saved looked like."""

    def __init__(self) -> None:
        # By order of creation, not by node: a graph is freed as soon as nobody else needs it.
        self._origins: dict[int, str] = {}
        self._checksums: dict[int, list[int]] = {}

    def recorded(self, node: Node, value: Any) -> None:
        origin = _users_line()
        self._origins[node.order] = origin
        self._checksums[node.order] = _checksums(node.saved)
        for v in value if isinstance(value, tuple) else (value,):
            bad = _not_finite(v)
            if bad is not None:
                raise GradientError(
                    f"{_name(node)} gave {bad} at {origin}{_sources(node)}",
                    hint="look at its arguments there: a division by 0, a logarithm of 0, an overflow",
                )

    def passing(self, node: Node, g: Array) -> None:
        before = self._checksums.get(node.order)
        if before is not None and before != _checksums(node.saved):
            raise GradientError(
                f"a value that {_name(node)} needs for its gradient was changed in place "
                f"after it was computed at {self._origins[node.order]}",
                hint="make a copy before changing an array that a gradient is taken through",
            )

    def passed(self, node: Node, gradients: tuple[Any, ...]) -> None:
        for i, (parent, d) in enumerate(zip(node.parents, gradients, strict=True)):
            if d is None and isinstance(parent, Leaf) and not parent.fresh:
                d = parent.buffer  # the rule has written into it
            parts = getattr(d, "parts", (d,))
            bad = next((b for b in map(_not_finite, parts) if b is not None), None)
            if parent is not None and bad is not None:
                raise GradientError(
                    f"the gradient of {_name(node)} for its argument {i} is {bad}; "
                    f"it was recorded at {self._origins.get(node.order, 'an unknown place')}{_sources(node)}",
                    hint="its derivative is infinite there, or the product overflowed; keep the argument "
                    "away from that point with xp.where or a small constant",
                )


def _name(node: Node) -> str:
    return "an operation" if node.operation is None else node.operation.name


def _not_finite(x: Any) -> str | None:
    """``"nan"`` or ``"inf"`` if the array holds one, else ``None``."""
    x = plain_value(x)
    if x is None or not hasattr(x, "dtype"):
        return None
    xp = array_namespace(x)
    if not xp.isdtype(x.dtype, ("real floating", "complex floating")):
        return None
    if bool(xp.all(xp.isfinite(x))):
        return None
    return "nan" if bool(xp.any(xp.isnan(x))) else "inf"


def _checksums(saved: Any) -> list[int]:
    """A checksum of each array that a node saved."""
    return [zlib.crc32(backend_of(a).to_numpy(a).tobytes()) for a in arrays_in(saved)]


def _sources(node: Node) -> str:
    """The leaves that a node was computed from, as the end of a sentence."""
    paths: dict[str, None] = {}
    seen = {node}
    pending = [node]
    while pending:
        for parent in pending.pop().parents:
            if parent is None or parent in seen:
                continue
            seen.add(parent)
            if isinstance(parent, Leaf):
                paths[parent.path or "an argument"] = None
            else:
                pending.append(parent)
    if not paths:
        return ""
    names = list(paths)
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return f", computed from {shown}"


def _users_line() -> str:
    """``file:line`` of the innermost code that is not learnkit's, and who called it if it is a library's."""
    frame = _outside(sys._getframe(1), lambda file: file.startswith(_PACKAGE))
    if frame is None:
        return "an unknown place"
    line = f"{frame.f_code.co_filename}:{frame.f_lineno}"
    if not _installed(frame.f_code.co_filename):
        return line
    caller = _outside(frame, lambda file: file.startswith(_PACKAGE) or _installed(file))
    return line if caller is None else f"{line}, called at {caller.f_code.co_filename}:{caller.f_lineno}"


def _outside(frame: FrameType | None, inside: Callable[[str], bool]) -> FrameType | None:
    """The innermost frame whose file is not ``inside``."""
    while frame is not None and inside(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def _installed(file: str) -> bool:
    return not _PARTS_OF_INSTALLED.isdisjoint(Path(file).parts)
