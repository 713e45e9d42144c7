"""An optimizer's update as one kernel that overwrites parameters and slots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from learnkit.backends.base import Array
from learnkit.backends.engine import engine
from learnkit.fusion.fused import Kernel
from learnkit.fusion.launch import Bound, NotPreparable, library_of
from learnkit.fusion.options import code_of, options_of, shadow
from learnkit.fusion.trace import Argument

__all__ = ["FusedUpdate", "bound_update"]

#: By class and fixed options.
_kernels: dict[Any, tuple[Any, Kernel]] = {}


class FusedUpdate:
    """``rule.update`` as a kernel on given vectors, in place; made by :func:`bound_update`."""

    def __init__(self, kernel: Kernel, vectors: list[Array], numbers: Mapping[str, float]) -> None:
        self._kernel = kernel
        self._vectors = Bound(vectors)
        self._numbers = numbers
        self._shape = vectors[0].shape

    def __call__(self, lr: float, step: int) -> bool:
        """One update; ``False`` leaves everything as it was: the rule does something that cannot be fused."""
        numbers = {**self._numbers, " lr": float(lr), " step": step}
        return self._kernel.run(self._vectors, numbers, self._shape) is not NotImplemented

    def prepared(self, lr: float, step: int) -> Array | None:
        """The update as the table of a compiled program, which is still to be run, once.

        ``None`` if it can only be made at once. See ``learnkit.backends.native``.
        """
        self._vectors.later = True
        try:
            return self._vectors.ready.table if self(lr, step) else None
        except NotPreparable:
            return None
        finally:
            self._vectors.later = False


def bound_update(rule: Any, vectors: list[Array]) -> FusedUpdate | None:
    """``rule.update`` in place on theta, gradient and slots, or ``None`` for arrays of another library.

    Args:
        rule: a frozen dataclass with ``update(theta, grad, *slots, lr, step)``, elementwise. Its real
            hyper-parameters are arguments of the kernel, so that another value costs no compilation.
        vectors: theta, gradient and slots, contiguous vectors of one length.
    """
    theta = vectors[0]
    library = library_of(theta)
    shape = theta.shape
    if not library or (library == "numpy" and engine() == "off"):
        return None
    if len(shape) != 1 or not shape[0] or any(v.shape != shape for v in vectors):
        return None
    if library == "numpy" and not all(v.flags.carray for v in vectors):  # a copy would be updated
        return None
    numbers, fixed = options_of(rule)
    try:
        key = (type(rule), fixed, library, *[v.dtype for v in vectors])
        known = _kernels.get(key)
    except TypeError:  # an option that cannot be hashed
        return None
    code = code_of(rule, "update")
    if known is None or known[0] != code:
        if len(_kernels) > 256:
            _kernels.clear()
        known = _kernels[key] = code, _kernel(rule, vectors, library)
    return FusedUpdate(known[1], vectors, numbers)


def _kernel(rule: Any, vectors: list[Array], library: str) -> Kernel:
    def call(symbols: list[Any], given: Mapping[str, Any]) -> Any:
        theta, grad, *slots = symbols
        return shadow(rule, given).update(theta, grad, *slots, lr=given[" lr"], step=given[" step"])

    arguments = tuple(Argument(np.dtype(v.dtype), True) for v in vectors)
    targets = (0, *range(2, len(vectors)))
    return Kernel(f"{type(rule).__name__}.update", call, arguments, library, targets, varying=True)
