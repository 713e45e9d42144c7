"""CTC: lengths, repeated labels, targets that do not fit, and its functional form."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit.autodiff import check_grads, value_and_grad
from learnkit.errors import ArgumentError, DataError, ShapeError
from learnkit.losses import CTC, ctc_loss

rng = np.random.default_rng(9)
Z = rng.normal(size=(3, 6, 4))
LOG_P = Z - np.log(np.exp(Z).sum(axis=2, keepdims=True))
TARGETS = np.asarray([[1, 1, 2], [3, 0, 0], [2, 3, 0]])
LENGTHS = np.asarray([3, 1, 2])


def padded():
    return np.where(np.arange(3) < LENGTHS[:, None], TARGETS, -1)


def test_padding_tells_the_target_lengths(backend):
    expected = ctc_loss(LOG_P, TARGETS, np.full(3, 6), LENGTHS)
    z = backend.asarray(Z, "float64")
    none = CTC(reduction="none")(z, backend.asarray(padded()))
    backend.assert_array(none, expected, like=z, rtol=1e-12, atol=0)
    mean = CTC()(z, backend.asarray(padded()))
    backend.assert_array(mean, (expected / LENGTHS).mean(), like=z, rtol=1e-12, atol=0)
    log_p = backend.asarray(LOG_P, "float64")
    backend.assert_array(
        CTC(from_logits=False)(log_p, backend.asarray(padded())), (expected / LENGTHS).mean(), rtol=1e-12
    )


def test_a_mask_tells_the_input_lengths(backend):
    """A shorter sequence is what it is alone, whatever lies behind it."""
    steps = np.asarray([6, 2, 4])
    mask = np.arange(6) < steps[:, None]
    z = Z.copy()
    z[~mask] = np.nan
    y = backend.asarray(padded())
    m = backend.asarray(mask)
    value, gradient = value_and_grad(lambda z: CTC()(z, y, None, m))(backend.asarray(z, "float64"))
    alone = [CTC()(Z[i : i + 1, : steps[i]], padded()[i : i + 1]) for i in range(3)]
    backend.assert_array(value, np.mean(alone), dtype="float64", rtol=1e-12, atol=0)
    slope = backend.to_numpy(gradient)
    assert not slope[~mask].any()
    assert np.isfinite(slope).all()


def test_no_frames_and_no_labels():
    """Nothing from nothing is certain; something from nothing is impossible."""
    empty = ctc_loss(LOG_P, TARGETS, np.asarray([0, 0, 6]), np.asarray([0, 1, 0]))
    assert empty[0] == 0
    assert empty[1] == np.inf
    np.testing.assert_allclose(empty[2], -LOG_P[2, :, 0].sum(), rtol=1e-13)  # all blanks
    assert ctc_loss(LOG_P[:, :0], TARGETS, np.zeros(3, dtype=int), np.asarray([0, 1, 0])).tolist() == [
        0,
        np.inf,
        0,
    ]
    assert ctc_loss(LOG_P, TARGETS[:, :0], np.full(3, 6), np.zeros(3, dtype=int)).shape == (3,)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_impossible_targets(backend, frames):
    """Two equal labels take three frames; fewer cost infinity, or 0 if asked for, with gradient 0."""
    z = backend.asarray(Z[:1, :frames], "float64")
    y = backend.asarray(np.asarray([[1, 1]]))
    for zero in (False, True):
        value, gradient = value_and_grad(lambda z: CTC(zero_infinity=zero)(z, y))(z)  # noqa: B023
        slope = backend.to_numpy(gradient)
        assert np.isfinite(slope).all()
        if frames < 3:
            backend.assert_array(value, 0.0 if zero else np.inf, like=z)
            assert not slope.any()
        else:
            path = LOG_P[0, 0, 1] + LOG_P[0, 1, 0] + LOG_P[0, 2, 1]  # the only one, 1 blank 1
            backend.assert_array(value, -path / 2, like=z, rtol=1e-12)
            assert slope.any()


def test_extreme_logits():
    """A path of probability exp(-1e4) costs 1e4, and has a gradient."""
    z = np.zeros((1, 3, 3), dtype="float32")
    z[:, :, 0] = 1e4
    value, gradient = value_and_grad(lambda z: CTC(reduction="sum")(z, np.asarray([[1]])))(z)
    assert float(value) == pytest.approx(1e4, rel=1e-3)
    assert np.isfinite(gradient).all()
    assert gradient.any()
    forbidden = LOG_P.copy()
    forbidden[:, :, 3] = -np.inf  # a class that the model rules out
    value = ctc_loss(forbidden, TARGETS, np.full(3, 6), LENGTHS)
    assert np.isfinite(value).tolist() == [True, False, False]


def test_the_gradient_with_lengths():
    def loss(log_p):
        return ctc_loss(log_p, TARGETS, np.asarray([6, 2, 4]), LENGTHS)

    check_grads(loss, LOG_P, order=1)


def test_long_sequences_keep_their_digits():
    """300 frames: no underflow, and the gradient of each frame sums to 0 over the classes."""
    z = np.random.default_rng(0).normal(size=(2, 300, 5))
    y = np.random.default_rng(1).integers(1, 5, size=(2, 60))
    value, gradient = value_and_grad(lambda z: CTC()(z, y))(z)
    assert 0 < value < 10
    np.testing.assert_allclose(gradient.sum(axis=2), 0, atol=1e-12)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match=r"ctc: y_pred has shape \(6, 4\) and y_true \(3, 3\) of int64"):
        CTC()(Z[0], TARGETS)
    with pytest.raises(
        ShapeError, match=r"ctc: mask has shape \(3, 5\), expected \(3, 6\): one mark for each"
    ):
        CTC()(Z, TARGETS, None, np.ones((3, 5)))
    with pytest.raises(ShapeError, match=r"ctc: log_probs has shape \(3, 6, 4\), targets \(3, 3\), lengths"):
        ctc_loss(LOG_P, TARGETS, np.full(2, 6), LENGTHS)
    with pytest.raises(ArgumentError, match=r"CTC: blank is -1, expected an integer >= 0"):
        CTC(blank=-1)
    with pytest.raises(DataError, match=r"ctc: targets range from 0 to 3, but the model has 3 outputs"):
        CTC().check_targets((3, 6, 3), TARGETS)
