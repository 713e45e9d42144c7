"""The record of what a GPU would have had to do: launches, and waits of the host."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class HiddenSync(RuntimeError):  # noqa: N818  (the name says what happened)
    """The host would have waited for the device where that was forbidden."""


class Audit:
    """Counts launches and waits.

    Attributes:
        launches: number of launches so far, an estimate for functions that CuPy composes of others.
        syncs: what made the host wait, in order.
    """

    def __init__(self) -> None:
        self.launches = 0
        self.syncs: list[str] = []
        self._forbidden = 0
        self._open: list[list[str]] = []

    def launch(self, name: str, times: int = 1) -> None:
        """Note launches under the name of the function that issued them."""
        self.launches += times
        for names in self._open:
            names.extend([name] * times)

    def sync(self, what: str) -> None:
        """Note a wait, or refuse it.

        Raises:
            HiddenSync: inside :meth:`no_sync`.
        """
        if self._forbidden:
            raise HiddenSync(f"the host would wait for the device: {what}")
        self.syncs.append(what)

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Forbid waits inside the block."""
        self._forbidden += 1
        try:
            yield
        finally:
            self._forbidden -= 1

    @contextlib.contextmanager
    def counting(self) -> Iterator[list[str]]:
        """A list that fills with the name of each launch inside the block."""
        names: list[str] = []
        self._open.append(names)
        try:
            yield names
        finally:
            self._open = [other for other in self._open if other is not names]


#: The one record of the process.
audit = Audit()
