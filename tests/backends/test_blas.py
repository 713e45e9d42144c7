"""Small matrix products run on one thread during a fit, unless the user has chosen."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

import learnkit as lk
from learnkit.backends import blas

threadpoolctl = pytest.importorskip("threadpoolctl")


def threads() -> list[int]:
    """Of NumPy's BLAS; others may be loaded meanwhile."""
    found = threadpoolctl.threadpool_info()
    return [
        library["num_threads"]
        for library in found
        if library["user_api"] == "blas" and "numpy" in library["filepath"]
    ]


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch):
    """BLAS with three threads, on any machine, and no wish of the user."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    with threadpoolctl.threadpool_limits(3, user_api="blas"):
        if threads().count(3) == 0:
            pytest.skip("this BLAS does not let its threads be counted")
        yield threads()


def test_small_products_have_one_thread_and_large_ones_all(several):
    with blas.threads_for(blas.SMALL_PRODUCT):
        assert set(threads()) == {1}
    assert threads() == several
    with blas.threads_for(blas.SMALL_PRODUCT + 1):
        assert threads() == several


@pytest.mark.parametrize("name", ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"])
def test_the_user_has_the_last_word(several, monkeypatch, name):
    monkeypatch.setenv(name, "3")
    with blas.threads_for(1):
        assert threads() == several


def test_without_threadpoolctl_nothing_happens(several, monkeypatch):
    monkeypatch.setattr(blas.importlib.util, "find_spec", lambda name: None)
    blas.controller.cache_clear()
    try:
        with blas.threads_for(1):
            assert threads() == several
    finally:
        blas.controller.cache_clear()


class Threads(lk.Callback):
    """Notes the threads during training."""

    def on_epoch_end(self, trainer, report):
        self.seen = threads()


def test_a_fit_of_a_small_network(several):
    callback = Threads()
    trainer = lk.Trainer(lk.nn.MLP((4, 8, 2)), "cross_entropy", callbacks=[callback])
    trainer.fit(np.ones((6, 4)), np.zeros(6, np.int64), verbose=False)
    assert set(callback.seen) == {1}
    assert threads() == several


class Wide(lk.nn.Module):
    """Has a leaf with three axes, as a convolution has."""

    def __init__(self):
        self.kernel = lk.nn.Parameter((1, 4, 2), lk.nn.init.Ones())

    def __call__(self, x):
        return lk.array_namespace(x).matmul(x, self.kernel[0, ...])


@pytest.mark.parametrize(
    ("model", "shape", "batch_size", "largest"),
    [
        (lambda: lk.nn.MLP((4, 8, 2)), (6, 4), 5, 5 * 4 * 8),
        (lambda: lk.nn.MLP((4, 8, 2)), (6, 4), 100, 6 * 4 * 8),  # there are no more rows
        (
            lambda: lk.nn.Sequential(lk.nn.Linear(4, 8), lk.nn.Flatten(), lk.nn.Linear(24, 2)),
            (6, 3, 4),
            5,
            5 * 3 * 48,
        ),
        (Wide, (6, 4), 5, None),
    ],
    ids=["rows of a batch", "all rows", "rows of rows", "more than a matrix"],
)
def test_what_counts_as_the_largest_product(monkeypatch, model, shape, batch_size, largest):
    asked = []
    trainer = lk.Trainer(model(), "cross_entropy", backend="numpy")
    monkeypatch.setattr(
        type(trainer.backend), "threads_for", lambda self, n: asked.append(n) or contextlib.nullcontext()
    )
    trainer.fit(np.ones(shape), np.zeros(6, np.int64), batch_size=batch_size, verbose=False)
    if largest is None:
        assert asked[0] > blas.SMALL_PRODUCT
    else:
        assert asked == [largest]
