"""The textbook's loss equations, evaluated as they are written, with i running over the examples."""

from __future__ import annotations

import math

import numpy as np
import pytest

from learnkit.losses import MAE, MSE, BinaryCrossEntropy, BinaryFocal, CrossEntropy, Focal, Huber

rng = np.random.default_rng(0)
N, C = 7, 4
Y_HAT, Y = rng.normal(size=N) * 2, rng.normal(size=N)
Z, LABELS = rng.normal(size=(N, C)), rng.integers(0, C, size=N)
P = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
LOGIT, T = rng.normal(size=N), rng.integers(0, 2, size=N)
S = 1 / (1 + np.exp(-LOGIT))


def mean(terms):
    return math.fsum(terms) / N


def test_mean_squared_error():
    """(1/n) sum_i (y_i - y^_i)^2"""
    assert MSE()(Y_HAT, Y) == pytest.approx(mean((Y[i] - Y_HAT[i]) ** 2 for i in range(N)), rel=1e-13)


def test_mean_absolute_error():
    """(1/n) sum_i |y_i - y^_i|"""
    assert MAE()(Y_HAT, Y) == pytest.approx(mean(abs(Y[i] - Y_HAT[i]) for i in range(N)), rel=1e-13)


@pytest.mark.parametrize("delta", [0.25, 1.0, 3.0])
def test_huber(delta):
    """(1/n) sum_i of 1/2 (y_i - y^_i)^2 if |y_i - y^_i| <= delta, else delta |y_i - y^_i| - 1/2 delta^2"""

    def term(error):
        return error**2 / 2 if abs(error) <= delta else delta * abs(error) - delta**2 / 2

    assert Huber(delta)(Y_HAT, Y) == pytest.approx(mean(term(Y[i] - Y_HAT[i]) for i in range(N)), rel=1e-13)


def test_huber_at_delta_itself():
    assert Huber(2.0)(np.asarray([2.0]), np.asarray([0.0])) == 2.0


def test_binary_cross_entropy():
    """-(1/n) sum_i [y_i log y^_i + (1 - y_i) log(1 - y^_i)], of probabilities and of their logits"""
    value = -mean(T[i] * math.log(S[i]) + (1 - T[i]) * math.log(1 - S[i]) for i in range(N))
    assert BinaryCrossEntropy(from_logits=False)(S, T) == pytest.approx(value, rel=1e-13)
    assert BinaryCrossEntropy()(LOGIT, T) == pytest.approx(value, rel=1e-13)


def test_categorical_cross_entropy():
    """-(1/n) sum_i sum_c y_ic log y^_ic, of one-hot targets and of class numbers"""
    onehot = np.eye(C)[LABELS]
    value = -mean(sum(onehot[i, c] * math.log(P[i, c]) for c in range(C)) for i in range(N))
    assert CrossEntropy()(Z, onehot) == pytest.approx(value, rel=1e-13)
    assert CrossEntropy()(Z, LABELS) == pytest.approx(value, rel=1e-13)


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.8, 1.0), (0.5, 0.5)])
def test_focal(alpha, gamma):
    """-(1/n) sum_i alpha_t (1 - p_t)^gamma log p_t, for two classes and for several"""

    def term(a, p):
        return a * (1 - p) ** gamma * math.log(p)

    p_t = [S[i] if T[i] else 1 - S[i] for i in range(N)]
    a_t = [alpha if T[i] else 1 - alpha for i in range(N)]
    value = -mean(term(a_t[i], p_t[i]) for i in range(N))
    assert BinaryFocal(alpha, gamma)(LOGIT, T) == pytest.approx(value, rel=1e-12)

    weights = (alpha, 1.0, 2 * alpha, 0.1)
    value = -mean(term(weights[LABELS[i]], P[i, LABELS[i]]) for i in range(N))
    assert Focal(weights, gamma)(Z, LABELS) == pytest.approx(value, rel=1e-12)


def test_focal_with_gamma_0_is_cross_entropy():
    assert Focal(gamma=0)(Z, LABELS) == pytest.approx(CrossEntropy()(Z, LABELS), rel=1e-14)
    assert BinaryFocal(None, 0)(LOGIT, T) == pytest.approx(BinaryCrossEntropy()(LOGIT, T), rel=1e-14)
