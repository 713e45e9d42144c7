"""An optimizer's update as one kernel that overwrites parameters and slots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import ref

import numpy as np

from learnkit.backends.base import Array
from learnkit.fuse.fused import Kernel
from learnkit.fuse.launch import engine, library_of
from learnkit.fuse.trace import Argument

__all__ = ["fused_update"]

#: By identity of the rule: what :func:`_prepared` found, with a reference that tells whether it is still the rule.
_rules: dict[int, tuple[Any, dict[str, Any], Any]] = {}
#: By class and fixed options.
_kernels: dict[Any, Kernel] = {}


def fused_update(rule: Any, vectors: list[Array], lr: float, step: int) -> bool:
    """Run ``rule.update`` in place on theta, gradient and slots; whether it was done.

    ``False`` leaves everything as it was: the rule does something that cannot be fused, or the arrays are
    those of another library.

    Args:
        rule: a frozen dataclass with ``update(theta, grad, *slots, lr, step)``, elementwise. Its real
            hyper-parameters are arguments of the kernel, so that another value costs no compilation.
        vectors: theta, gradient and slots, contiguous vectors of one length.
        lr, step: of the update.
    """
    theta = vectors[0]
    if type(theta) is np.ndarray:
        library = "numpy"
        if engine() == "off" or theta.ndim != 1:
            return False
    else:
        library = library_of(theta)
        if library != "cupy" or theta.ndim != 1:
            return False
    if type(lr) is not float:
        lr = float(lr)
    numbers, fixed = _prepared(rule)
    try:
        key = (type(rule), fixed, library, tuple([v.dtype.char for v in vectors]))
        kernel = _kernels.get(key)
    except TypeError:
        return False
    if kernel is None:
        kernel = _kernels[key] = _kernel(rule, numbers, vectors, library)
    shape = theta.shape
    if not shape[0] or any(v.shape != shape for v in vectors):
        return False
    numbers = {**numbers, "lr": lr, "step": step}
    return kernel.run(vectors, numbers, shape) is not NotImplemented


def _prepared(rule: Any) -> tuple[dict[str, Any], Any]:
    """The real hyper-parameters by path, and the others as something to tell kernels apart by."""
    known = _rules.get(id(rule))
    if known is not None and known[0]() is rule:
        return known[1], known[2]
    numbers: dict[str, Any] = {}
    fixed = []
    for name, value in vars(rule).items():
        if type(value) is float:
            numbers[f"f_{name}"] = value
        elif type(value) is tuple and value and all(type(v) is float for v in value):
            numbers.update({f"f_{name}_{i}": v for i, v in enumerate(value)})
            fixed.append((name, len(value)))
        elif name != "lr":
            fixed.append((name, value))
        else:
            fixed.append((name, id(value)))
    found = numbers, tuple(fixed)
    if len(_rules) > 256:
        _rules.clear()
    try:
        _rules[id(rule)] = (ref(rule), *found)
    except TypeError:  # a class with slots
        pass
    return found


def _kernel(rule: Any, numbers: dict[str, Any], vectors: list[Array], library: str) -> Kernel:
    cls = type(rule)
    values = dict(vars(rule))

    def call(symbols: list[Any], given: Mapping[str, Any]) -> Any:
        shadow = object.__new__(cls)
        for name, value in values.items():
            if f"f_{name}" in numbers:
                value = given[f"f_{name}"]
            elif f"f_{name}_0" in numbers and type(value) is tuple:
                value = tuple(given[f"f_{name}_{i}"] for i in range(len(value)))
            object.__setattr__(shadow, name, value)
        theta, grad, *slots = symbols
        return shadow.update(theta, grad, *slots, lr=given["lr"], step=given["step"])

    arguments = tuple(Argument(np.dtype(v.dtype), True) for v in vectors)
    targets = (0, *range(2, len(vectors)))
    return Kernel(f"{cls.__name__}.update", call, arguments, library, targets)
