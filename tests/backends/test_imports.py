"""What importing costs: NumPy and array-api-compat, and no other array library."""

from __future__ import annotations

import subprocess
import sys

import pytest

OTHERS = ("torch", "cupy", "cupyx", "array_api_strict", "jax", "scipy", "numba", "pandas")


def loaded_after(code: str) -> list[str]:
    """Which of the other libraries a fresh interpreter has loaded after ``code``."""
    program = f"{code}\nimport sys\nprint(*[m for m in {OTHERS!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    "code",
    [
        "import learnkit.backends",
        "from learnkit.backends import cupy, torch, strict, numpy, cuda",
        "from learnkit.backends import get_backend; get_backend('numpy').asarray([1.0])",
        "import numpy; from learnkit.backends import kernels_of; kernels_of(numpy.ones(2))",
        "import learnkit.testing.matrix, learnkit.testing.fakecupy",
    ],
)
def test_no_other_array_library_is_imported(code):
    assert loaded_after(code) == []


def test_a_backend_imports_its_own_library_only():
    pytest.importorskip("array_api_strict")
    code = "from learnkit.backends import get_backend; get_backend('strict')"
    assert loaded_after(code) == ["array_api_strict"]
