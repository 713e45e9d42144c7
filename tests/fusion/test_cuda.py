"""The CUDA text of fused functions: compiled by the stand-in for CuPy, and read where no compiler is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
from learnkit.testing import fakecupy
fakecupy.install()
import cupy, numpy as np
import learnkit as lk
from cupy import _compiler
from learnkit.backends import array_namespace
from learnkit.fusion.operations import OPERATIONS
if {without}:
    _compiler.compiler = lambda: None

two = {{"atan2", "copysign", "hypot", "logaddexp", "pow"}}
draw = np.random.default_rng(0)
worst = 0.0
for dtype in ("float32", "float64"):
    x, y = (np.abs(draw.standard_normal(500)).astype(dtype) * 0.9 for _ in range(2))
    for name, operation in OPERATIONS.items():
        if operation.takes == "bool" or name == "erf":
            continue
        count = 2 if "{{1}}" in operation.cuda else 1
        args = (x, y)[:count] if name != "acosh" else (x + 1,)
        args = tuple(np.minimum(a, 0.99) for a in args) if name in ("acos", "asin", "atanh") else args
        f = lk.fuse(lambda *a: getattr(array_namespace(a[0]), name)(*a))
        given = [cupy.asarray(a) for a in args]
        with cupy.audit.no_sync(), cupy.audit.counting() as launched:
            got = f(*given)
        assert launched == ["learnkit_fused"], (name, launched)
        want = getattr(np, operation.numpy)(*args)
        got = cupy.asnumpy(got)
        assert got.dtype == want.dtype, (name, got.dtype)
        np.testing.assert_allclose(got, want, rtol=2e-6 if dtype == "float32" else 1e-13, err_msg=name)
    def f(x, y, *, a):
        xp = array_namespace(x)
        z = xp.where(xp.logical_and(x > 0.2, y < float("inf")), a * x, -xp.inf * xp.ones_like(y))
        return xp.mean(xp.where(xp.isfinite(z), z, xp.full_like(z, 0.5)))
    value, gradient = lk.value_and_grad(lambda x: lk.fuse(f)(x, cupy.asarray(y), a=2.0))(cupy.asarray(x))
    np.testing.assert_allclose(float(value), f(x, y, a=2.0), rtol=1e-6)
    np.testing.assert_allclose(cupy.asnumpy(gradient), np.where(x > 0.2, 2.0, 0.0) / 500, rtol=1e-6)
print("done")
"""


@pytest.mark.alike
@pytest.mark.parametrize("without", [False, True], ids=["compiled", "read"])
def test_cuda_text_gives_the_values_of_numpy(without):
    """Each function, comparisons, choices, infinities, and a gradient: one launch each, and no waiting."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM.format(without=without)],
        capture_output=True,
        text=True,
        env={**os.environ, "LEARNKIT_FAKE_CUPY": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "done"
