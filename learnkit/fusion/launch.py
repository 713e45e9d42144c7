"""From a trace to something that runs: one function for each array library.

A *launch* takes the array arguments and the scalars of the host, and returns the new arrays in the order of
the outputs that overwrite nothing, or the value of a sum.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from learnkit.backends import threads
from learnkit.backends.base import Array, size_of
from learnkit.backends.engine import engine
from learnkit.fusion import cache
from learnkit.fusion.emit_cupy import cuda_text
from learnkit.fusion.emit_numba import CHUNK, numba_source
from learnkit.fusion.emit_numpy import numpy_source
from learnkit.fusion.trace import Trace

__all__ = ["Bound", "Launch", "NotPreparable", "launch_for", "library_of"]

Launch = Callable[[list[Array], tuple[Any, ...]], Any]

#: Elements in a block of NumPy calls: its buffers stay in the second-level cache.
BLOCK = 16384
#: From so many elements on, threads share the work; fewer are done before another thread has woken up.
SHARED = 200_000
#: The same for arrays that stay, where it is found out by trying whether sharing pays, up to so many.
_BOUND, _LONG = 50_000, 1_000_000

_LIBRARIES = {"numpy": "numpy", "cupy": "cupy"}


def library_of(x: Array) -> str:
    """``"numpy"``, ``"cupy"``, or nothing for arrays of a library that fusion does not know."""
    return _LIBRARIES.get(type(x).__module__.partition(".")[0], "")


def launch_for(trace: Trace, targets: tuple[int | None, ...], library: str) -> Launch:
    """The compiled form of a trace.

    Args:
        targets: for each output the argument that it overwrites, or ``None``.
        library: from :func:`library_of`.
    """
    if library == "cupy":
        return _cupy_launch(trace, targets)
    if engine() == "numba":
        return _numba_launch(trace, targets)
    return _block_launch(trace, targets)


def _full_arguments(trace: Trace) -> list[int]:
    return [i for i, a in enumerate(trace.arguments) if a.full]


def _flat(x: Array) -> Array:
    """As a vector that the compiled kernel takes: contiguous, aligned and not read-only."""
    if type(x) is np.ndarray and x.flags.carray:
        return x if x.ndim == 1 else x.reshape(-1)
    return np.array(x, order="C", copy=True, ndmin=1).reshape(-1)


def _used(source: str, trace: Trace) -> list[int]:
    """The arguments in the signature of generated source."""
    signature = source.split("def kernel(", 1)[1].split(")", 1)[0].split(", ")
    return [i for i in range(len(trace.arguments)) if f"a{i}" in signature]


def _numba_launch(trace: Trace, targets: tuple[int | None, ...]) -> Launch:
    source = numba_source(trace, targets)
    made = cache.loaded(source)
    kernel, over = made.kernel, _shared(made)
    used = _used(source, trace)
    first = _full_arguments(trace)[0]
    new = tuple(y.dtype for y, target in zip(trace.outputs, targets, strict=True) if target is None)
    if trace.reduction:
        return _summed(kernel, trace, used, first, CHUNK, lambda lo, hi: (lo, hi), over)

    def launch_in_place(arrays: list[Array], scalars: tuple[Any, ...]) -> Any:
        n = arrays[first].shape[0]  # an update is bound to vectors that are as the kernel takes them
        if type(arrays) is Bound and arrays.later:
            arrays.ready = arrays.prepared(over, n, len(scalars))
            arrays.ready.set(scalars)
            return []
        if n < (_BOUND if type(arrays) is Bound else SHARED):
            kernel(0, n, *arrays, *scalars)
        elif type(arrays) is Bound:
            arrays.prepared(over, n, len(scalars)).run(scalars)
        else:
            over(n, (n, 0), arrays, len(scalars)).run(scalars)
        return []

    if not new and used == list(range(len(trace.arguments))):
        return launch_in_place

    def launch(arrays: list[Array], scalars: tuple[Any, ...]) -> Any:
        if type(arrays) is Bound and arrays.later:
            raise NotPreparable
        shape = arrays[first].shape
        flat = [_flat(arrays[i]) for i in used]
        made = [np.empty(shape, dtype) for dtype in new]
        n = arrays[first].size
        if new:
            flat += [m.reshape(-1) for m in made]
        if n < SHARED:
            kernel(0, n, *flat, *scalars)
        else:
            over(n, (n, 0), flat, len(scalars)).run(scalars)
        return made

    return launch


class NotPreparable(Exception):  # noqa: N818  (nothing failed)
    """A launch that was to be prepared for later can only be made at once."""


class Bound(list[Any]):
    """The arrays of a launch that is made many times for the same ones.

    Attributes:
        later: whether a launch only prepares what is to run.
        ready: what it prepared.
    """

    later = False
    ready: Any = None
    _over: Any = None
    _made: Any = None

    def prepared(self, over: Callable[..., Any], n: int, scalars: int) -> Any:
        """What ``over`` makes for these arrays: once."""
        if self._over is not over:
            self._over, self._made = over, over(n, (n, 0), self, scalars, short=n < _LONG)
        return self._made


class _ByCalls:
    """A kernel without an entry, as :class:`learnkit.backends.native.share.Shared`."""

    def __init__(
        self,
        kernel: Any,
        n: int,
        counts: Any,
        arrays: list[Array],
        scalars: int,
        grain: int = 64,
        *,
        short: bool = False,
    ) -> None:
        self._kernel, self._n, self._arrays, self._grain = kernel, n, arrays, grain

    def set(self, scalars: tuple[Any, ...]) -> None:
        """Only a compiled entry can wait for its run."""
        raise NotPreparable

    def run(self, scalars: tuple[Any, ...]) -> None:
        """Call it for all parts."""
        arguments = (*self._arrays, *scalars)
        threads.share(lambda lo, hi: self._kernel(lo, hi, *arguments), self._n, self._grain)


def _shared(made: Any) -> Callable[..., Any]:
    """How threads share a compiled kernel: ``(parts, counts, arrays, number of scalars)`` to what runs."""
    if hasattr(made, "entry"):
        from learnkit.backends.native.share import Shared

        return functools.partial(Shared, made.entry.address)
    return functools.partial(_ByCalls, made.kernel)


def _block_launch(trace: Trace, targets: tuple[int | None, ...]) -> Launch:
    source = numpy_source(trace, targets)
    made: dict[str, Any] = {}
    exec(source, made)
    kernel = made["kernel"]
    used = _used(source, trace)
    first = _full_arguments(trace)[0]
    new = tuple(y.dtype for y, target in zip(trace.outputs, targets, strict=True) if target is None)
    if trace.reduction:
        return _summed(kernel, trace, used, first, BLOCK, _block_starts)

    def launch(arrays: list[Array], scalars: tuple[Any, ...]) -> Any:
        shape, n = arrays[first].shape, arrays[first].size
        results = [np.empty(shape, dtype) for dtype in new]
        if n:
            # Equal blocks: a short last one costs as many calls as a full one.
            size = -(-n // max(1, round(n / BLOCK)))
            flat = [_flat(arrays[i]) for i in used]
            kernel(range(0, n, size), size, *flat, *(r.reshape(-1) for r in results), *scalars)
        return results

    return launch


def _block_starts(lo: int, hi: int) -> tuple[range, int]:
    return range(lo * BLOCK, hi * BLOCK, BLOCK), BLOCK


def _summed(
    kernel: Any,
    trace: Trace,
    used: list[int],
    first: int,
    chunk: int,
    part: Callable[[int, int], tuple[Any, Any]],
    over: Callable[..., Any] | None = None,
) -> Launch:
    """A sum or mean: partial sums of fixed chunks in double precision, added in their order."""
    dtype = trace.outputs[0].dtype.type
    mean = trace.reduction == "mean"

    def launch(arrays: list[Array], scalars: tuple[Any, ...]) -> Any:
        n = arrays[first].size
        chunks = -(-n // chunk)
        sums = np.zeros(chunks)
        flat = [*(_flat(arrays[i]) for i in used), sums]
        if n < SHARED or over is None:
            kernel(*part(0, chunks), *flat, *scalars)
        else:
            over(chunks, (n, chunks), flat, len(scalars), 1).run(scalars)
        total = math.fsum(sums.tolist()) if chunks > 1 and np.isfinite(sums).all() else float(sums.sum())
        return dtype(total / n if mean else total)

    return launch


def _cupy_launch(trace: Trace, targets: tuple[int | None, ...]) -> Launch:
    import cupy

    text = cuda_text(trace)
    # As in CuPy itself: what is compiled is kept on disk by its text.
    kernel = cupy.ElementwiseKernel(text.inputs, text.outputs, text.body, "learnkit_fused")
    first = _full_arguments(trace)[0]
    outputs = trace.outputs[0].args if trace.reduction else trace.outputs

    def launch(arrays: list[Array], scalars: tuple[Any, ...]) -> Any:
        shape = arrays[first].shape
        given = [arrays[i] for i in text.used]
        results = [
            cupy.empty(shape, dtype=y.dtype) if target is None else arrays[target]
            for y, target in zip(outputs, targets, strict=True)
        ]
        kernel(*given, *scalars, *results)
        if trace.reduction:
            total = results[0].sum()
            return total / size_of(shape) if trace.reduction == "mean" else total
        return [r for r, target in zip(results, targets, strict=True) if target is None]

    return launch
