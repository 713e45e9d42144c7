"""Threads that stay together in compiled code while there is work for them.

A program (:mod:`.program`) has phases of some microseconds. A thread that sleeps takes longer than that to
wake up, so a helper looks for work for about a millisecond before it sleeps, and lets
other programs have its processor between two looks. Nobody waits for a helper that has not taken a part.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import threading
from queue import SimpleQueue
from typing import Any

import numpy as np

from learnkit.backends.base import Array
from learnkit.backends.native import crew
from learnkit.backends.threads import thread_count

__all__ = ["NOTHING", "UNSET", "Team", "team"]

#: Looks of a helper until it sleeps.
_PATIENCE = 4000
_NO_PLACES = np.empty((0, 2), np.int64)
#: A program of nothing, and a flag that is not set.
NOTHING, UNSET = np.empty((0, crew.COLUMNS), np.int64), np.zeros(1, np.int8)


@functools.cache
def _pause() -> int:
    """The address of the function with which a thread lets others run."""
    if sys.platform == "win32":
        function: Any = ctypes.WinDLL("kernel32").SwitchToThread
    else:
        function = ctypes.CDLL(None).sched_yield
    return ctypes.cast(function, ctypes.c_void_p).value or 0


class Team:
    """``count - 1`` threads beside the calling one; each is started when it is first needed."""

    def __init__(self, count: int) -> None:
        self.process = os.getpid()
        self.count = count
        room = np.zeros(crew.PLACES + 8, np.int64)
        start = -room.ctypes.data // 8 % 8  # the first cache line that is wholly its own
        self._common = room[start : start + crew.PLACES]
        self._asked: SimpleQueue[None] = SimpleQueue()
        self._in_use = threading.Lock()
        self._started = 0

    def _help(self) -> None:
        while True:
            self._asked.get()
            crew.work(self._common, _PATIENCE, _pause())

    def _wake(self, wanted: int) -> None:
        while self._started < wanted:
            self._started += 1
            threading.Thread(target=self._help, daemon=True, name="learnkit-native").start()
        for _ in range(wanted - int(self._common[crew.AWAKE])):
            crew.wake(self._common)
            self._asked.put(None)

    def run(
        self,
        table: Array,
        numbers: Array = _NO_PLACES,
        places: Array = _NO_PLACES,
        given: tuple[Array, ...] = (),
        *,
        helpers: int = 1 << 16,
        then: Array = NOTHING,
        unless: Array = UNSET,
    ) -> None:
        """Run a program, with so many helpers at most, and none while another thread has them.

        ``then`` is another, which follows one that is given arrays, unless that sets the flag ``unless``.
        """
        wanted = min(helpers, self.count - 1)
        helped = wanted > 0 and self._in_use.acquire(blocking=False)
        try:
            if helped and self._common[crew.AWAKE] < wanted:
                self._wake(wanted)
            if given:
                arrays = given[0], given[-1]
                crew.run_on(self._common, table, helped, _pause(), numbers, places, *arrays, then, unless)
            else:
                crew.run(self._common, table, helped, _pause())
        finally:
            if helped:
                self._in_use.release()


_team: Team | None = None
_making = threading.Lock()


def team() -> Team:
    """The team of this process."""
    global _team
    now = _team
    if now is None or now.process != os.getpid():  # after a fork the threads are gone
        with _making:
            if _team is None or _team.process != os.getpid():
                _team = Team(thread_count())
            now = _team
    return now
