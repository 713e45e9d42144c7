"""Start values and dropout masks: the same bits on every library, recorded from plain NumPy."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from learnkit import nn
from learnkit.errors import ArgumentError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "start.json").read_text())


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


@pytest.mark.parametrize("key", GOLDEN["weights"])
def test_start_values_have_the_recorded_bits(backend, key):
    """On every library: those that NumPy's Philox gives for (seed, path of the leaf)."""
    initializer, seed, dtype = key.split()
    model = nn.Sequential(nn.ReLU(), nn.Linear(5, 7, weight_init=initializer))
    nn.initialize(model, seed=int(seed), backend=backend.backend, dtype=dtype)
    weight = model[1].weight
    backend.assert_here(weight)
    assert digest(backend.to_numpy(weight)) == GOLDEN["weights"][key]


@pytest.mark.parametrize("key", GOLDEN["masks"])
def test_dropout_masks_have_the_recorded_bits(backend, key):
    """On every library and in both dtypes: a mask depends on (seed, path of the layer, use, step) only."""
    path, seed, step = key.rsplit(" ", 2)
    path, _, use = path.partition("#")
    layer = nn.Dropout(0.3)
    layer.__dict__["_path"] = path
    for dtype in ("float32", "float64"):
        x = backend.asarray(np.ones((6, 11)), dtype)
        with nn.training(int(seed), int(step)):
            if use:
                layer(x)
            with backend.no_sync():
                y = layer(x)
        found = backend.to_numpy(y)
        assert digest(found > 0) == GOLDEN["masks"][key]
        backend.assert_array(y, np.where(found > 0, 1 / 0.7, 0.0), like=x, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: nn.initialize(nn.Linear(1, 1), dtype="float16"),
            "dtype is 'float16', expected 'float32' or 'float64'",
        ),
        (lambda: nn.initialize(nn.Linear(1, 1), seed=-1), "seed must not be negative, got -1"),
    ],
)
def test_values_out_of_range_are_refused(make, text):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert text in str(caught.value)


def test_leaves_that_have_values_keep_them():
    model = nn.Linear(2, 2)
    nn.initialize(model, seed=1)
    before = {path: a.copy() for path, a in model.arrays().items()}
    again = nn.initialize(model, seed=2, dtype="float64")
    for path, array in model.arrays().items():
        assert array.dtype == np.float64
        np.testing.assert_array_equal(array, before[path])
    np.testing.assert_array_equal(again.theta[:4], before["weight"].ravel())


# Dropout


def test_dropout_keeps_the_mean_and_drops_the_fraction():
    x = np.ones((400, 500), dtype=np.float32)
    for p in (0.0, 0.1, 0.5, 0.9):
        with nn.training(seed=3, step=0):
            y = nn.Dropout(p)(x)
        assert (y == 0).mean() == pytest.approx(p, abs=0.005)
        assert y.mean() == pytest.approx(1.0, abs=0.02)


def test_dropout_depends_on_step_path_and_use_and_on_nothing_else():
    x = np.ones((8, 16), dtype=np.float32)
    model = nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.5))
    nn.initialize(model)
    shared = nn.Dropout(0.5)

    def masks(seed, step):
        with nn.training(seed, step):
            return [model[0](x), model[1](x), shared(x), shared(x)]

    first = masks(0, 0)
    for i in range(4):
        for j in range(i):
            assert (first[i] != first[j]).any(), "two layers, or two uses of one, draw different masks"
    for again, mask in zip(masks(0, 0), first, strict=True):
        np.testing.assert_array_equal(again, mask)
    for other in (masks(0, 1), masks(1, 0)):
        assert all((a != b).any() for a, b in zip(other, first, strict=True))


def test_dropout_is_switched_by_the_scope_alone():
    x = np.ones((4, 4), dtype=np.float32)
    layer = nn.Dropout(0.5)
    assert layer(x) is x
    with nn.training():
        assert (layer(x) == 0).any()
        with nn.training(step=1):
            assert (layer(x) == 0).any()
    assert layer(x) is x
