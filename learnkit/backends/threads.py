"""A few threads that share the elements of one kernel, which runs without Python's lock.

Which thread computes an element never changes its value. The number of threads is ``LEARNKIT_THREADS`` or
``OMP_NUM_THREADS`` if set, else that of the processors this process may use.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

__all__ = ["share", "thread_count"]


def thread_count() -> int:
    """How many threads work on a large array, at least 1."""
    for name in ("LEARNKIT_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "")
        if value.isdigit() and int(value) > 0:
            return int(value)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Pool:
    """``count - 1`` threads beside the calling one."""

    def __init__(self, count: int) -> None:
        self.process = os.getpid()
        self.count = count
        self.lock = threading.Lock()
        self._work: SimpleQueue[tuple[Callable[[int, int], None], int, int]] = SimpleQueue()
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        for _ in range(count - 1):
            threading.Thread(target=self._run, daemon=True, name="learnkit-kernel").start()

    def _run(self) -> None:
        while True:
            function, start, stop = self._work.get()
            try:
                function(start, stop)
            except BaseException as error:  # given to the thread that waits
                self._done.put(error)
            else:
                self._done.put(None)

    def share(self, function: Callable[[int, int], None], n: int, grain: int) -> None:
        each = -(-n // self.count)
        each = -(-each // grain) * grain
        starts = range(each, n, each)
        for start in starts:
            self._work.put((function, start, min(n, start + each)))
        failure: BaseException | None = None
        try:
            function(0, min(n, each))
        finally:
            for _ in starts:
                failure = self._done.get() or failure
        if failure is not None:
            raise failure


_pool: _Pool | None = None
_making = threading.Lock()


def share(function: Callable[[int, int], None], n: int, grain: int = 64) -> None:
    """``function(start, stop)`` over parts of ``0 .. n``, each a multiple of ``grain`` but for the last.

    One caller at a time has the threads; another that comes meanwhile works alone.
    """
    global _pool
    pool = _pool
    if pool is None or pool.process != os.getpid():  # after a fork the threads are gone
        with _making:
            if _pool is None or _pool.process != os.getpid():
                _pool = _Pool(thread_count())
            pool = _pool
    if pool.count > 1 and pool.lock.acquire(blocking=False):
        try:
            pool.share(function, n, grain)
        finally:
            pool.lock.release()
    else:
        function(0, n)
