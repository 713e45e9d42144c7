"""A few threads that share the elements of one kernel, which runs without Python's lock.

Which thread computes an element never changes its value. The number of threads is ``LEARNKIT_THREADS`` or
``OMP_NUM_THREADS`` if set, else that of the processors this process may use.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["share", "thread_count"]

#: Parts for each thread. With more than one, a thread that is late, because another program has its processor
#: or a thread of BLAS still spins there, leaves its parts to the others.
_PARTS = 4


def thread_count() -> int:
    """How many threads work on a large array, at least 1."""
    for name in ("LEARNKIT_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "")
        if value.isdigit() and int(value) > 0:
            return int(value)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Job:
    """One call of :func:`share`: its parts, which whoever has time takes in turn."""

    def __init__(self, function: Callable[[int, int], None], n: int, each: int) -> None:
        self._function = function
        self._n = n
        self._each = each
        self.parts = -(-n // each)
        self._next = itertools.count().__next__  # one call of a function in C: no two threads get one number
        #: What became of each part that was done: its exception, or ``None``.
        self.done: SimpleQueue[BaseException | None] = SimpleQueue()

    def work(self) -> None:
        """Do parts until none is left."""
        while (part := self._next()) < self.parts:
            start = part * self._each
            try:
                self._function(start, min(self._n, start + self._each))
            except BaseException as error:  # given to the thread that waits
                self.done.put(error)
            else:
                self.done.put(None)


class _Pool:
    """``count - 1`` threads beside the calling one."""

    def __init__(self, count: int) -> None:
        self.process = os.getpid()
        self.count = count
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        for _ in range(count - 1):
            threading.Thread(target=self._run, daemon=True, name="learnkit-kernel").start()

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            job.work()
            del job  # the arrays that it holds are not kept until the next call

    def share(self, function: Callable[[int, int], None], n: int, grain: int) -> None:
        each = -(-n // (self.count * _PARTS))
        job = _Job(function, n, -(-each // grain) * grain)
        for _ in range(min(self.count, job.parts) - 1):
            self._jobs.put(job)
        job.work()
        failures = [error for _ in range(job.parts) if (error := job.done.get()) is not None]
        if failures:
            raise failures[0]


_pool: _Pool | None = None
_making = threading.Lock()


def share(function: Callable[[int, int], None], n: int, grain: int = 64) -> None:
    """``function(start, stop)`` over parts of ``0 .. n``, each a multiple of ``grain`` but for the last."""
    global _pool
    pool = _pool
    if pool is None or pool.process != os.getpid():  # after a fork the threads are gone
        with _making:
            if _pool is None or _pool.process != os.getpid():
                _pool = _Pool(thread_count())
            pool = _pool
    if pool.count > 1:
        pool.share(function, n, grain)
    else:
        function(0, n)
