"""Small data sets and trainers for the tests of training."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import nn
from learnkit.training import Trainer


def classes(n=48, seed=0):
    """Three classes in the plane, far apart: x (n, 2), y (n,)."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    centres = np.asarray([[0.0, 3.0], [3.0, -2.0], [-3.0, -2.0]])
    return (centres[y] + rng.normal(size=(n, 2))).astype("float32"), y


def line(n=40, seed=0):
    """y = 2 x0 - x1 + 0.5 with a little noise: x (n, 2), y (n,)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    return x, 2 * x[:, 0] - x[:, 1] + 0.5 + 0.01 * rng.normal(size=n)


@pytest.fixture
def plane():
    return classes()


@pytest.fixture
def regression():
    return line()


@pytest.fixture
def classifier():
    """A function that makes a trainer of a small classifier with dropout."""

    def make(**options):
        model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))
        return Trainer(model, "cross_entropy", options.pop("optimizer", "adam:lr=0.03"), **options)

    return make


@pytest.fixture
def regressor():
    """A function that makes a trainer of an affine model with one output."""

    def make(**options):
        return Trainer(
            nn.Linear(2, 1), options.pop("loss", "mse"), options.pop("optimizer", "sgd:lr=0.1"), **options
        )

    return make
