"""Random numbers: the same bits from the documentation, NumPy, every library and the CUDA source."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

from learnkit.backends.random import key_and_counter, philox_normal, philox_uniform, stream_id
from learnkit.errors import ArgumentError

# (seed, stream, step), dtype, the first numbers as multiples of 2**-24 or 2**-53; recorded from NumPy.
RECORDED = [
    ((0, 0, 0), "float32", [582872, 193722, 10266821, 4052523, 6131758, 1869415, 3134900, 9469306, 8927623]),
    ((0, 0, 0), "float64", [104003916602523, 2175681743263000, 1003634882753029, 5083794959104694]),
    (
        (1, 2, 3),
        "float32",
        [12309022, 2303881, 9595791, 3778690, 15496506, 4281976, 148372, 14041842, 11219137],
    ),
    ((1, 2, 3), "float64", [1236886896474691, 2028668988837233, 2298868676791975, 7538657032423538]),
    ((2**64 - 1, 2**63 + 5, 2**40), "float32", [13782479, 11063830, 11695478, 2601889, 3801542, 8112498]),
    ((2**64 - 1, 2**63 + 5, 2**40), "float64", [5939848623573433, 1396878746209966, 4355364517003320]),
]
UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}


def documented(n: int, seed: int, stream: int, step: int, dtype: str) -> list[float]:
    """The numbers as the module's documentation describes them, in Python integers."""
    mask = 2**64 - 1
    found: list[float] = []
    block = 0
    while len(found) < n:
        block += 1
        c0, c1, c2, c3 = block, step, 0, 0
        k0, k1 = seed, stream
        for _ in range(10):
            p0, p1 = 0xD2E7470EE14C6C93 * c0, 0xCA5A826395121157 * c2
            c0, c1, c2, c3 = (p1 >> 64) ^ c1 ^ k0, p1 & mask, (p0 >> 64) ^ c3 ^ k1, p0 & mask
            k0, k1 = (k0 + 0x9E3779B97F4A7C15) & mask, (k1 + 0xBB67AE8584CAA73B) & mask
        for w in (c0, c1, c2, c3):
            if dtype == "float64":
                found.append((w >> 11) * 2.0**-53)
            else:
                found += [((w & 0xFFFFFFFF) >> 8) * 2.0**-24, (w >> 40) * 2.0**-24]
    return found[:n]


@pytest.mark.parametrize(("names", "dtype", "multiples"), RECORDED)
def test_bits_are_the_recorded_ones_on_every_library(backend, names, dtype, multiples):
    """A number depends on seed, stream, step, dtype and its position, and on nothing else."""
    seed, stream, step = names
    with backend.no_sync():
        got = backend.kernels.random_uniform(
            (len(multiples),), seed=seed, stream=stream, step=step, device=backend.device, dtype=dtype
        )
    backend.assert_array(got, np.array(multiples) * UNIT[dtype], dtype=dtype, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5), (7, 1, 9), (2, 0)])
def test_every_library_draws_what_numpy_draws(backend, shape, dtype):
    """Shapes of any rank are filled in row-major order."""
    names = {"seed": 5, "stream": stream_id("layers.0"), "step": 11}
    got = backend.kernels.random_uniform(shape, **names, device=backend.device, dtype=dtype)
    backend.assert_array(got, philox_uniform(shape, **names, dtype=dtype), dtype=dtype, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("names", [(0, 0, 0), (7, 2**63, 1), (2**64 - 1, 1, 2**64 - 1)])
def test_documented_layout_is_enough_to_reproduce_the_numbers(names, dtype):
    """A third implementation, written from the docstring, agrees."""
    seed, stream, step = names
    got = philox_uniform((21,), seed=seed, stream=stream, step=step, dtype=dtype)
    assert got.tolist() == documented(21, seed, stream, step, dtype)


def test_seed_stream_and_step_each_change_the_numbers():
    names = {"seed": 1, "stream": 2, "step": 3}
    drawn = [philox_uniform((4,), **(names | change)).tolist() for change in ({}, *({k: 9} for k in names))]
    assert all(a != b for i, a in enumerate(drawn) for b in drawn[:i])


def test_words_beyond_64_bits_wrap():
    names = {"stream": 2**64 + 2, "step": 0}
    assert np.array_equal(
        philox_uniform((4,), seed=2**64 + 1, **names), philox_uniform((4,), seed=1, stream=2, step=0)
    )
    assert key_and_counter(2**64 + 1, 2, 3) == ((1, 2), (0, 3, 0, 0))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_moments_of_uniform_and_normal_numbers(dtype):
    """Within five standard errors."""
    n = 200_000
    u = philox_uniform((n,), seed=3, stream=4, step=5, dtype=dtype).astype(np.float64)
    z = philox_normal((n,), seed=3, stream=4, step=5, dtype=dtype)
    assert z.dtype == dtype
    z = z.astype(np.float64)
    assert u.min() >= 0
    assert u.max() < 1
    assert abs(u.mean() - 0.5) < 5 * math.sqrt(1 / 12 / n)
    assert abs(z.mean()) < 5 / math.sqrt(n)
    assert abs(z.var() - 1) < 5 * math.sqrt(2 / n)


def test_normal_numbers_are_those_of_numpy():
    key, counter = np.array([3, 4], np.uint64), np.array([0, 5, 0, 0], np.uint64)
    want = np.random.Generator(np.random.Philox(key=key, counter=counter)).standard_normal(
        10, dtype=np.float32
    )
    assert np.array_equal(philox_normal((10,), seed=3, stream=4, step=5), want)


def test_a_draw_leaves_nothing_behind():
    """After an odd count of float32 numbers NumPy keeps half a word; the next draw must not see it."""
    want = philox_uniform((5,), seed=1, stream=1, step=1)
    philox_uniform((3,), seed=2, stream=2, step=2)
    assert np.array_equal(philox_uniform((5,), seed=1, stream=1, step=1), want)


def test_threads_do_not_disturb_each_other():
    want = [philox_uniform((1000,), seed=s, stream=0, step=0) for s in range(4)]
    wrong = []

    def draw(seed):
        for _ in range(200):
            if not np.array_equal(philox_uniform((1000,), seed=seed, stream=0, step=0), want[seed]):
                wrong.append(seed)

    threads = [threading.Thread(target=draw, args=(s,)) for s in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_stream_ids_are_fixed_for_ever():
    """They are part of what a run is a function of."""
    assert stream_id("") == 13020603013274838756
    assert stream_id("layers.1.dropout") == 13412913103192113645
    assert len({stream_id(f"layers.{i}") for i in range(1000)}) == 1000


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": -1}, "seed must not be negative, got -1"),
        ({"stream": -5}, "stream must not be negative, got -5"),
        ({"step": -2}, "step must not be negative, got -2"),
        ({"seed": 1.0}, "seed must be an integer, got 1.0"),
        ({"step": "3"}, "step must be an integer, got '3'"),
        ({"dtype": "float16"}, "random numbers come in dtype 'float32' or 'float64', got 'float16'"),
    ],
)
def test_wrong_arguments_are_named(backend, wrong, message):
    names = {"seed": 0, "stream": 0, "step": 0, "device": backend.device} | wrong
    with pytest.raises(ArgumentError) as caught:
        backend.kernels.random_uniform((2,), **names)
    assert str(caught.value) == message
