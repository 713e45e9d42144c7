"""The CUDA source of random numbers gives NumPy's bits, on the CPU."""

from __future__ import annotations

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from learnkit.backends import cuda
from learnkit.backends.random import philox_uniform

N = 100_003

# Compiled apart from the stand-in for CuPy, with the least that makes the text C++.
PRELUDE = r"""
#define __global__
#define __device__
struct index { unsigned x; };
static index blockIdx, blockDim, threadIdx;
static unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{
    return (unsigned long long)(((unsigned __int128)a * b) >> 64);
}
"""
LAUNCHER = r"""
extern "C" void launch(REAL *out, long long n, word seed, word stream, word step, unsigned blocks)
{
    blockDim.x = 256;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x)
        for (threadIdx.x = 0; threadIdx.x < 256; ++threadIdx.x) philox_uniform(out, n, seed, stream, step);
}
"""


def compiled(tmp_path, text):
    program = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
    if program is None:
        pytest.skip("no C++ compiler")
    (tmp_path / "kernel.cpp").write_text(text)
    command = [
        program,
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-shared",
        "-fPIC",
        "kernel.cpp",
        "-o",
        "kernel.so",
    ]
    subprocess.run(command, cwd=tmp_path, check=True)
    return ctypes.CDLL(str(tmp_path / "kernel.so"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_philox_source_gives_numpys_bits(tmp_path, dtype):
    """100,003 numbers at two steps, with words that use all 64 bits."""
    library = compiled(tmp_path, PRELUDE + cuda.source(cuda.PHILOX_UNIFORM, dtype) + LAUNCHER)
    out = np.empty(N, dtype=dtype)
    seed, stream = 0x1234567890ABCDEF, 0xFEEDFACECAFEBEEF
    for step in (0, 2**40 + 12345):
        out[:] = -1
        words = [ctypes.c_ulonglong(w) for w in (seed, stream, step)]
        blocks = ctypes.c_uint(-(-N // (256 * (8 if dtype == "float32" else 4))))
        library.launch(ctypes.c_void_p(out.ctypes.data), ctypes.c_longlong(N), *words, blocks)
        want = philox_uniform((N,), seed=seed, stream=stream, step=step, dtype=dtype)
        assert np.array_equal(out, want)
