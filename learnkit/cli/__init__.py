"""The command ``learnkit``. One command a file; a file imports only click until its command runs.

================  ====================================================================================
``app``           the group of commands, and what becomes of errors: message, hint, exit code
``train`` ...     one command each: options, and a call of what does the work
``building``      from a configuration to a model, loss and optimizer; the defaults that depend on data
``rundir``        the directory of a run: its name, its files, what is never overwritten
``measures``      held-out metrics with their intervals, and what the model confuses
``stored``        a run opened again, for ``evaluate`` and ``predict``
================  ====================================================================================

With ``LEARNKIT_FAKE_CUPY=1`` the backend ``cupy`` is the stand-in of :mod:`learnkit.testing.fakecupy`, for
those who write plugins without a GPU: ``LEARNKIT_FAKE_CUPY=1 learnkit train digits --backend cupy``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; ``None`` takes those of the process.

    Returns:
        The exit code: 0, or that of :mod:`learnkit.errors`; 130 after Ctrl-C.
    """
    if os.environ.get("LEARNKIT_FAKE_CUPY") == "1":
        from learnkit.testing import fakecupy

        fakecupy.install()
    try:
        from learnkit.cli.app import run
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        print("error: the command line needs click, which is not installed", file=sys.stderr)
        print('  pip install "pylearnkit[cli]"', file=sys.stderr)
        return 5
    own = arguments is None
    return run(sys.argv[1:] if arguments is None else list(arguments), own_process=own)
