"""Random numbers as a pure function of (seed, stream, step): the same bits on every library.

There is no generator to carry around and no state to save. Whoever draws names three integers:

* ``seed``, the run's;
* ``stream``, the drawer's own, usually :func:`stream_id` of the path of a layer;
* ``step``, the number of the training step.

The generator is Philox 4x64 with 10 rounds (Salmon, Moraes, Dror and Shaw, "Parallel random numbers:
as easy as 1, 2, 3", SC 2011), the one NumPy calls ``np.random.Philox``. A third implementation has to
keep this layout:

=========  =========================================================================================
key        two words: ``(seed mod 2**64, stream mod 2**64)``
counter    four words, lowest first: ``(block, step, 0, 0)``, where ``block`` counts from **1**, because
           NumPy increments before it generates
words      a block gives four 64-bit words; all blocks in a row are the stream of words
float64    one word ``w`` a number: ``(w >> 11) * 2**-53``
float32    two numbers a word, the low half first: ``(half >> 8) * 2**-24``
=========  =========================================================================================

Number ``i`` of an array, counted in row-major order, therefore comes from block ``1 + i // 8`` in
float32 and ``1 + i // 4`` in float64, so that each thread of a device can compute its own. The kernel
that does so on CuPy is in ``learnkit.backends.cuda`` and gives the same bits.

Normal numbers come from NumPy's ziggurat, on the host: they start parameters, which happens once, and
are then brought to the device.
"""

from __future__ import annotations

import hashlib
import math
import operator
import threading
from typing import Any

import numpy as np

from learnkit.errors import ArgumentError

__all__ = [
    "check_dtype",
    "generator",
    "keeps_from",
    "key_and_counter",
    "philox_beta",
    "philox_normal",
    "philox_truncated_normal",
    "philox_uniform",
    "stream_id",
]

_WORD = 1 << 64
_DTYPES = ("float32", "float64")


def stream_id(path: str) -> int:
    """A 64-bit number for a leaf path, so that each layer draws from a stream of its own.

    It is the little-endian value of the 8-byte BLAKE2b digest of the path in UTF-8.

    >>> stream_id("layers.1.dropout")
    13412913103192113645
    """
    return int.from_bytes(hashlib.blake2b(path.encode(), digest_size=8).digest(), "little")


def key_and_counter(seed: int, stream: int, step: int) -> tuple[tuple[int, int], tuple[int, int, int, int]]:
    """The Philox key and counter for ``(seed, stream, step)``, as Python integers below 2**64.

    Raises:
        ArgumentError: one of them is negative or not an integer.
    """
    words = []
    for name, value in (("seed", seed), ("stream", stream), ("step", step)):
        try:
            number = operator.index(value)
        except TypeError:
            raise ArgumentError(f"{name} must be an integer, got {value!r}") from None
        if number < 0:
            raise ArgumentError(f"{name} must not be negative, got {number}")
        words.append(number % _WORD)
    return (words[0], words[1]), (0, words[2], 0, 0)


class _Reused(threading.local):
    """A generator for each thread, set to key and counter before use: making one takes eight times longer."""

    def __init__(self) -> None:
        self.bits = np.random.Philox(0)
        self.generator = np.random.Generator(self.bits)
        self.state: Any = self.bits.state  # fresh: no words left over from an earlier block


_reused = _Reused()


def generator(seed: int, stream: int, step: int) -> np.random.Generator:
    """NumPy's generator of this thread at the start of that stream; until the next call."""
    key, counter = key_and_counter(seed, stream, step)
    _reused.state["state"]["key"][:] = key
    _reused.state["state"]["counter"][:] = counter
    _reused.bits.state = _reused.state
    return _reused.generator


def keeps_from(p: float) -> int:
    """The least of the 24 bits of a float32 number that is not below ``p``: what dropout keeps."""
    return math.ceil(float(np.float32(p)) * 2.0**24)


def check_dtype(dtype: str) -> Any:
    """NumPy's type for the name of a dtype that random numbers come in.

    Raises:
        ArgumentError: it is neither ``"float32"`` nor ``"float64"``.
    """
    if dtype not in _DTYPES:
        raise ArgumentError(f"random numbers come in dtype 'float32' or 'float64', got {dtype!r}")
    return np.float32 if dtype == "float32" else np.float64


def philox_uniform(
    shape: tuple[int, ...], *, seed: int, stream: int, step: int, dtype: str = "float32"
) -> np.ndarray[Any, Any]:
    """Uniform numbers in [0, 1) as a NumPy array.

    Args:
        shape: of the result.
        seed: of the run; taken mod 2**64, as are the next two.
        stream: of the drawer, see :func:`stream_id`.
        step: of the training, from 0.
        dtype: ``"float32"`` (multiples of 2**-24) or ``"float64"`` (multiples of 2**-53).

    Raises:
        ArgumentError: a negative seed, stream or step; another dtype.

    >>> philox_uniform((2,), seed=0, stream=0, step=0).dtype.name
    'float32'
    """
    return generator(seed, stream, step).random(shape, dtype=check_dtype(dtype))


def philox_normal(
    shape: tuple[int, ...], *, seed: int, stream: int, step: int = 0, dtype: str = "float32"
) -> np.ndarray[Any, Any]:
    """Standard normal numbers as a NumPy array, by NumPy's ziggurat over the same bits.

    Args:
        shape, seed, stream, step, dtype: as for :func:`philox_uniform`.

    Raises:
        ArgumentError: as for :func:`philox_uniform`.
    """
    return generator(seed, stream, step).standard_normal(shape, dtype=check_dtype(dtype))


def philox_beta(alpha: float, *, seed: int, stream: int, step: int = 0) -> float:
    """A number drawn from Beta(alpha, alpha), by NumPy's algorithm over the same bits.

    Args:
        alpha: > 0.
        seed, stream, step: as for :func:`philox_uniform`.

    Raises:
        ArgumentError: as for :func:`philox_uniform`.
    """
    return float(generator(seed, stream, step).beta(alpha, alpha))


def philox_truncated_normal(
    shape: tuple[int, ...], low: float, high: float, *, seed: int, stream: int, dtype: str = "float32"
) -> np.ndarray[Any, Any]:
    """Standard normal numbers under the condition that they lie in ``[low, high]``, as a NumPy array.

    By rejection from uniform numbers in float64, one step of the counter a round: the elements that are
    still missing, in row-major order, get the accepted ones among as many candidates. It holds far out in
    a tail too, where the rejection of normal numbers would not end.

    Args:
        shape, seed, stream, dtype: as for :func:`philox_uniform`.
        low, high: the bounds, ``low < high``.

    Raises:
        ArgumentError: as for :func:`philox_uniform`; ``low`` is not below ``high``.
    """
    result_type = check_dtype(dtype)
    if not low < high:
        raise ArgumentError(f"low is {low!r} and high {high!r}, expected low < high")
    peak = min(max(0.0, low), high)  # where the density is highest
    reach = math.sqrt(peak * peak + 80.0)  # beyond, it is below exp(-40) of that
    start, stop = max(low, -reach), min(high, reach)
    found = np.empty(math.prod(shape), dtype=np.float64)
    missing = np.arange(found.size)
    step = 0
    while missing.size:
        u, v = philox_uniform((2, missing.size), seed=seed, stream=stream, step=step, dtype="float64")
        x = start + (stop - start) * u
        accepted = v < np.exp((peak * peak - x * x) * 0.5)
        found[missing[accepted]] = x[accepted]
        missing = missing[~accepted]
        step += 1
    return np.reshape(found, shape).astype(result_type)
