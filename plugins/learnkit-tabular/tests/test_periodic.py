"""The layer against its formula, written in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from learnkit_tabular import PeriodicEmbedding

import learnkit as lk
from learnkit.autodiff import check_grads
from learnkit.errors import ArgumentError, ShapeError
from learnkit.plugins import registry
from learnkit.testing import checks_for

RNG = np.random.default_rng(0)

test_it_keeps_the_rules_of_layers = checks_for(
    PeriodicEmbedding(3, 4, n_frequencies=5),
    PeriodicEmbedding(3, 4, n_frequencies=5, lite=True),
    x=RNG.standard_normal((6, 3)),
)


def formula(x: Any, c: Any, w: Any, b: Any, activation: bool, lite: bool) -> Any:
    """Feature by feature."""
    out = []
    for i in range(x.shape[-1]):
        v = 2 * np.pi * c[i] * x[..., i : i + 1]
        p = np.concatenate([np.sin(v), np.cos(v)], axis=-1)
        y = p @ (w if lite else w[i]) + (b if lite else b[i])
        out.append(np.maximum(y, 0) if activation else y)
    return np.stack(out, axis=-2)


@pytest.mark.parametrize("lite", [False, True])
@pytest.mark.parametrize("activation", [False, True])
@pytest.mark.parametrize("shape", [(6, 3), (2, 5, 3), (3,), (0, 3)])
def test_it_is_the_formula(shape: tuple[int, ...], activation: bool, lite: bool) -> None:
    layer = PeriodicEmbedding(3, 4, n_frequencies=5, activation=activation, lite=lite)
    lk.nn.initialize(layer, backend="numpy", dtype="float64", seed=1)
    x = RNG.standard_normal(shape) * 20
    c, w, b = (leaf.array for leaf in layer.parameters().values())
    got = layer(x)
    assert got.shape == (*shape, 4)
    np.testing.assert_allclose(got, formula(x, c, w, b, activation, lite), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("lite", [False, True])
def test_its_gradients_are_the_differences(lite: bool) -> None:
    layer = PeriodicEmbedding(2, 3, n_frequencies=2, frequency_init_scale=0.3, activation=False, lite=lite)
    lk.nn.initialize(layer, backend="numpy", dtype="float64", seed=1)
    check_grads(lambda x, model: model(x), RNG.standard_normal((4, 2)), layer, order=2)


def test_its_start_values_have_the_stated_laws() -> None:
    layer = PeriodicEmbedding(50, 32, n_frequencies=40, frequency_init_scale=2.0)
    lk.nn.initialize(layer, backend="numpy", dtype="float64", seed=0)
    c, w, b = (leaf.array for leaf in layer.parameters().values())
    assert (c.shape, w.shape, b.shape) == ((50, 40), (50, 80, 32), (50, 32))
    assert np.abs(c).max() <= 6
    assert c.std() == pytest.approx(2.0 * 0.98658, rel=0.05)  # of the normal cut at 3
    bound = 80**-0.5
    for leaf in (w, b):
        assert bound * 0.99 < np.abs(leaf).max() <= bound
        assert leaf.std() == pytest.approx(bound / 3**0.5, rel=0.03)
    lite = PeriodicEmbedding(50, 32, n_frequencies=40, lite=True)
    assert [leaf.shape for leaf in lite.parameters().values()] == [(50, 40), (80, 32), (32,)]


def test_a_network_behind_it_learns_steps_that_one_without_does_not() -> None:
    x = RNG.uniform(-1.7, 1.7, (512, 1)).astype(np.float32)
    y = np.where(np.sin(12 * x) > 0, 1.0, -1.0).astype(np.float32)
    scores = []
    for front in ([], [PeriodicEmbedding(1, 16, frequency_init_scale=2.0), lk.nn.Flatten()]):
        width = 16 if front else 1
        tail = [lk.nn.Linear(width, 32), lk.nn.ReLU(), lk.nn.Linear(32, 1)]
        trainer = lk.Trainer(lk.nn.Sequential(*front, *tail), "mse", "adam:lr=0.01", metrics=["r2"], seed=0)
        history = trainer.fit(x, y, epochs=15, batch_size=32, verbose=False)
        scores.append(history["r2"][-1])
    assert scores[0] < 0.3 < 0.8 < scores[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_features": 0}, "n_features is 0, expected an integer >= 1"),
        ({"d_embedding": 2.0}, "d_embedding is 2.0, expected an integer >= 1"),
        ({"n_frequencies": 0}, "n_frequencies is 0, expected an integer >= 1"),
        ({"frequency_init_scale": 0.0}, "frequency_init_scale is 0.0, expected a number > 0"),
        ({"activation": "gelu"}, "activation is 'gelu', expected True or False"),
        ({"lite": 1}, "lite is 1, expected True or False"),
    ],
)
def test_a_value_out_of_range_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError) as info:
        registry.create("layer", {"name": "periodic_embedding", "n_features": 3, **options})
    assert str(info.value).startswith(f"PeriodicEmbedding: {message}")


def test_another_number_of_features_is_refused() -> None:
    layer = PeriodicEmbedding(3)
    lk.nn.initialize(layer, backend="numpy")
    with pytest.raises(ShapeError, match=r"PeriodicEmbedding got x of shape \(5, 2\), expected \(..., 3\)"):
        layer(np.zeros((5, 2), dtype=np.float32))
