"""What is compiled is kept on disk, and nothing that happens there takes a program down."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("numba")

PROGRAM = """
import numpy as np, learnkit as lk
f = lk.fuse(lambda x: x * 2 + lk.array_namespace(x).exp(x))
print(f(np.zeros(4, "float32")))
"""


def run(folder, program=PROGRAM):
    environment = {**os.environ, "LEARNKIT_CACHE": str(folder), "LEARNKIT_FUSE": "numba"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_damaged_and_foreign_files_are_replaced(tmp_path):
    """Machine code cut short, an emptied source, and a folder in the place of the cache's parent."""
    assert run(tmp_path) == "[1. 1. 1. 1.]"
    sources = list((tmp_path / "kernels").glob("*.py"))
    assert len(sources) == 1
    compiled = [p for p in (tmp_path / "kernels" / "__pycache__").iterdir() if p.suffix in (".nbc", ".nbi")]
    assert compiled
    for path in compiled:
        path.write_bytes(path.read_bytes()[:20])
    assert run(tmp_path) == "[1. 1. 1. 1.]"
    sources[0].write_text("this is not Python (")
    assert run(tmp_path) == "[1. 1. 1. 1.]"


def test_a_cache_that_cannot_be_written_is_no_obstacle(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert run(blocked) == "[1. 1. 1. 1.]"


def test_equal_functions_share_a_kernel(tmp_path, monkeypatch):
    from learnkit import fuse
    from learnkit.fusion import fused

    monkeypatch.setenv("LEARNKIT_FUSE", "blocks")
    monkeypatch.setattr(fused, "_launches", {})
    for f in (fuse(lambda x: x * 3 + 1), fuse(lambda y: 3 * y + 1), fuse(lambda y: y * 3 + 1)):
        np.testing.assert_array_equal(f(np.ones(2)), [4.0, 4.0])
    assert len(fused._launches) == 2  # 3 * y and y * 3 are two texts
