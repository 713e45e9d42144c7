"""How many threads multiply matrices on the host.

A matrix product is shared among threads by the BLAS library that NumPy comes with, from a size on at which
that does not pay: the threads have to wait for each other after each product. Two processors with nothing
else to do, in turns of 30 ms: the products of a step of 128-128-10 and 128 rows (the largest has 2 million
multiplications) took 0.52 ms on two threads and 0.11 ms on one, those of 256-256-256-10 (8 million) 3.5 ms
and 0.9 ms; a whole step of 784-512-256-10 (51 million) 2.9 ms and 3.8 ms. Where other programs run too, all
wait for a thread that is not being run: a step of 784-128-10 took 90 ms on two threads and 1.4 ms on one.

So a fit whose products are small runs them on one thread. That also makes the last bits of its results those
of any number of processors. It needs ``threadpoolctl``, which the extra ``fast`` installs, and is left alone
where the user has chosen: with ``OPENBLAS_NUM_THREADS``, ``OMP_NUM_THREADS`` or ``MKL_NUM_THREADS``.
"""

from __future__ import annotations

import functools
import importlib.util
import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

__all__ = ["SMALL_PRODUCT", "controller", "threads_for"]

#: Multiplications of numbers up to which a product is computed on one thread.
SMALL_PRODUCT = 16_000_000
_CHOSEN_BY = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def threads_for(multiplications: int) -> AbstractContextManager[Any]:
    """A block in which BLAS has the threads that suit products of so many multiplications at most.

    Args:
        multiplications: of the largest product: rows times columns times the length of the sums.
    """
    if multiplications > SMALL_PRODUCT or any(os.environ.get(name) for name in _CHOSEN_BY):
        return nullcontext()
    libraries = controller()
    if libraries is None:
        return nullcontext()
    limited: AbstractContextManager[Any] = libraries.limit(limits=1, user_api="blas")
    return limited


@functools.cache
def controller() -> Any:
    """What sets the number of threads of the libraries that are loaded; ``None`` without threadpoolctl."""
    if importlib.util.find_spec("threadpoolctl") is None:
        return None
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()
