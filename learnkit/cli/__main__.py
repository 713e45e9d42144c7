"""``python -m learnkit.cli`` is the command ``learnkit``."""

from __future__ import annotations

import sys

from learnkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
