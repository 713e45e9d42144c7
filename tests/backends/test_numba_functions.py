"""The float32 functions of compiled loops against double precision, with and without fused multiply-adds."""

from __future__ import annotations

import math
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("numba")

import numba

from learnkit.backends import numba_functions
from learnkit.backends.numba_arithmetic import fma, plus

#: Definition, and errors in units in the last place: with fused multiply-adds, and without.
FUNCTIONS = {
    "exp": (np.exp, 1.01, 1.01),
    "log": (np.log, 1.0, 1.0),
    "log1p": (np.log1p, 3.0, 3.0),
    "expm1": (np.expm1, 3.0, 3.0),
    "tanh": (np.tanh, 5.0, 7.0),
    "erf": (np.vectorize(math.erf, otypes=[np.float64]), 6.0, 8.0),
}


@numba.njit(error_model="numpy")
def fused(a, b, c):
    return fma(a, b, c)


def has_fma():
    a = np.float32(1 + 2.0**-12)
    product = fused(a, a, np.float32(-1 - 2.0**-11))
    assert product in (np.float32(2.0**-24), np.float32(0.0))
    return product != 0


def compiled(name):
    function = getattr(numba_functions, f"{name}_32")

    @numba.njit([numba.void(numba.float32[::1], numba.float32[::1])], error_model="numpy")
    def loop(x, y):
        for i in range(y.shape[0]):
            y[i] = function(x[i])

    return loop


def arguments():
    """Numbers of all sizes, more of the usual ones, and where something happens."""
    bits = np.arange(0, 2**32, 2**14 - 1, dtype=np.uint64).astype(np.uint32)
    special = [
        0.0,
        -0.0,
        np.inf,
        -np.inf,
        np.nan,
        88.72283,
        88.722839,
        88.72284,
        88.8,
        89,
        -103.97207,
        -103.97209,
    ]
    special += [-104, -87.33655, 1e-45, 1.1754942e-38, 0.70710677, 1.4142135, 3.92, -3.92, 7.90531, 4e-4]
    parts = (bits.view(np.float32), np.linspace(-105, 90, 200_001), np.linspace(-9, 9, 200_001), special)
    return np.concatenate([np.asarray(part).astype("float32") for part in parts])


@pytest.mark.parametrize("name", FUNCTIONS)
@np.errstate(all="ignore")
def test_errors_in_units_in_the_last_place(name):
    definition, *bounds = FUNCTIONS[name]
    bound = bounds[0] if has_fma() else bounds[1]
    x = arguments()
    y = np.empty_like(x)
    loop = compiled(name)
    loop(x, y)
    want = definition(x.astype("float64"))
    rounded = want.astype("float32")
    usual = np.isfinite(rounded)
    np.testing.assert_array_equal(y[~usual], rounded[~usual])
    unit = np.spacing(np.maximum(np.abs(rounded[usual]), np.finfo("float32").tiny)).astype("float64")
    errors = np.abs(y[usual] - want[usual]) / unit
    worst = np.argmax(errors)
    assert errors[worst] <= bound, (x[usual][worst], errors[worst])
    few = x[:: len(x) // 500].copy()
    alone = np.empty_like(few)
    for i in range(len(few)):
        loop(few[i : i + 1], alone[i : i + 1])
    np.testing.assert_array_equal(alone, y[:: len(x) // 500])  # in vectors and one by one: the same bits


@pytest.mark.skipif("NUMBA_CPU_NAME" in os.environ, reason="this is that process")
def test_a_processor_without_fused_multiply_adds():
    """All the same with code for the plainest processor, which rounds twice."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
        env=os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]


def test_the_processor_of_this_process_decides():
    if sys.platform == "linux" and os.uname().machine == "x86_64":
        wanted = (
            " fma " in pathlib.Path("/proc/cpuinfo").read_text()
            and os.environ.get("NUMBA_CPU_NAME") != "generic"
        )
        assert has_fma() == wanted


def test_plus_adds_in_any_order():
    @numba.njit(error_model="numpy")
    def total(x):
        a = np.float32(0)
        for i in range(x.shape[0]):
            a = plus(a, x[i])
        return a

    x = np.random.default_rng(0).standard_normal(1000).astype("float32")
    assert abs(total(x) - x.sum(dtype="float64")) < 1e-4
    assert np.isnan(total(np.asarray([1, np.inf, -np.inf] * 50, "float32")))
    with pytest.raises(numba.TypingError, match="plus"):
        numba.njit(lambda a, b: plus(a, b))(np.float32(1), 1.0)
