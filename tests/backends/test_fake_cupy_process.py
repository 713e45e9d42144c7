"""All tests of array code once more, on the stand-in for CuPy, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from learnkit.testing import matrix

TESTS = Path(__file__).resolve().parent.parent


@pytest.mark.alike
@pytest.mark.skipif(matrix.under_fake_cupy(), reason="this is that process")
def test_the_matrix_passes_on_the_stand_in_for_cupy():
    """Equivalent to ``LEARNKIT_FAKE_CUPY=1 python -m pytest -m matrix tests``."""
    command = [sys.executable, "-m", "pytest", "-m", "matrix", "-q", "-p", "no:cacheprovider", str(TESTS)]
    done = subprocess.run(
        command,
        cwd=TESTS.parent,
        env=os.environ | {"LEARNKIT_FAKE_CUPY": "1"},
        capture_output=True,
        text=True,
    )
    lines = done.stdout.strip().splitlines()
    print(lines[-1] if lines else "no output")
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    assert " passed" in lines[-1]
