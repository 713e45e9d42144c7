"""Where the plain formulas lose their digits, overflow or divide by 0."""

from __future__ import annotations

import math

import numpy as np
import pytest

from learnkit import losses
from learnkit.autodiff import check_grads, grad, value_and_grad


def single(*values):
    return np.asarray(values, dtype="float32")


def test_small_errors_keep_their_digits_in_log_cosh():
    """log(cosh(1e-3)) is 5e-7, which is less than float32 sees beside 1."""
    each = losses.LogCosh().per_example(single(1e-3, 1e-5, 0.0), single(0, 0, 0))
    np.testing.assert_allclose(each, [5e-7, 5e-11, 0], rtol=1e-6)
    check_grads(lambda d: losses.LogCosh().per_example(d, np.zeros(2)), np.asarray([0.0, 1e-9]), order=3)


def test_large_errors_do_not_overflow_where_the_loss_is_linear():
    for loss in (losses.Huber(), losses.SmoothL1(), losses.LogCosh(), losses.MAE()):
        value, gradient = value_and_grad(lambda p: loss(p, single(0)))(single(1e30))  # noqa: B023
        assert float(value) == pytest.approx(1e30)
        assert gradient == [1.0]


@pytest.mark.parametrize("z", [1e4, 200.0, -200.0, -1e4])
def test_poisson_goes_on_as_a_tangent(z):
    """exp(1e4) is not a number; the loss is finite, rises, and pulls back."""
    value, gradient = value_and_grad(lambda p: losses.PoissonNLL()(p, single(3)))(single(z))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    if z > 0:
        assert gradient[0] > 1e20
        steeper, _ = value_and_grad(lambda p: losses.PoissonNLL()(p, single(3)))(single(z * 1.01))
        assert steeper > value
    else:
        assert gradient[0] == -3


def test_poisson_is_exact_up_to_there():
    z = np.asarray([-30.0, 0.0, 69.0, 500.0])
    np.testing.assert_allclose(losses.PoissonNLL().per_example(z, z * 0 + 2), np.exp(z) - 2 * z, rtol=1e-15)
    check_grads(lambda z: losses.PoissonNLL().per_example(z, np.zeros(1)), np.asarray([580.0]), rtol=1e-5)


def test_rates_below_0_are_0():
    loss = losses.PoissonNLL(log_input=False)
    value, gradient = value_and_grad(lambda p: loss(p, single(2, 0)))(single(-1e4, 0.0))
    assert float(value) == pytest.approx(-2 * math.log(1e-8) / 2)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("s", [1e4, -1e4, 0.0])
def test_any_logarithm_of_a_variance(s):
    loss = losses.GaussianNLL(log_variance=True)
    value, gradient = value_and_grad(lambda p: loss(p, single(0)))(single([3.0, s]))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert (gradient[0, 1] > 0) == (s > math.log(9))  # towards the squared error


def test_a_large_error_with_a_tiny_variance():
    """Square and precision are finite by themselves; so must be their product."""
    loss = losses.GaussianNLL(log_variance=True)
    value, gradient = value_and_grad(lambda p: loss(p, single(-1e4)))(single([1e4, -1e4]))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert gradient[0, 0] > 0 > gradient[0, 1]


def test_a_class_that_both_distributions_exclude_costs_nothing():
    loss = losses.KLDivergence(from_logits=False)
    log_q = single([math.log(0.25), -math.inf, math.log(0.75)])
    value, gradient = value_and_grad(lambda q: loss(q, single([0.5, 0, 0.5])))(log_q)
    assert float(value) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3), rel=1e-6)
    np.testing.assert_allclose(gradient, single([-0.5, 0, -0.5]))


def test_a_variance_of_0_is_held_and_has_a_gradient():
    value, gradient = value_and_grad(lambda p: losses.GaussianNLL()(p, single(1.0)))(single([3.0, 0.0]))
    assert float(value) == pytest.approx(0.5 * (math.log(1e-6) + 4e6))
    assert gradient[0, 1] == pytest.approx(0.5 * (1e6 - 4e12), rel=1e-5)


def test_certain_probabilities():
    """The value is held at 100, and the gradient still points the right way, as in PyTorch."""
    loss = losses.BinaryCrossEntropy(from_logits=False)
    p, t = single(0, 1, 0, 1), single(1, 0, 0, 1)
    assert loss.per_example(p, t).tolist() == [100, 100, 0, 0]
    gradient = grad(lambda p: loss(p, t))(p)
    assert np.isfinite(gradient).all()
    assert gradient[0] < -1e11
    assert gradient[1] > 1e11
    assert gradient[2:].tolist() == [0, 0]


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 1.5, 2.0, 5.0])
def test_focal_at_certain_answers(gamma):
    """Right ones cost exactly 0 with gradient 0, wrong ones the logit; for broken powers too."""
    z = single([1e4, 0.0], [0.0, 1e4], [200.0, 0.0], [40.0, 0.0], [18.0, 0.0], [0.0, 0.0])
    labels = np.asarray([0, 0, 0, 0, 0, 0])
    value, gradient = value_and_grad(lambda z: losses.Focal(gamma=gamma, reduction="sum")(z, labels))(z)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(losses.Focal(gamma=gamma).per_example(z, labels)[:2], [0, 1e4])
    binary = losses.BinaryFocal(None, gamma, reduction="sum")
    value, gradient = value_and_grad(lambda z: binary(z, np.ones(6)))(z[:, 0] - z[:, 1])
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_distributions_with_zeros():
    """0 log 0 is 0, in the target and in the prediction."""
    target = single([0, 1, 0], [0.5, 0.5, 0])
    z = single([0, 1e4, -1e4], [-1e4, 1e4, 0])
    for loss in (losses.KLDivergence(), losses.JSDivergence()):
        value, gradient = value_and_grad(lambda z: loss(z, target))(z)  # noqa: B023
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()
    assert float(losses.JSDivergence()(single([1e4, 0]), single([0, 1]))) == pytest.approx(math.log(2))
    certain = losses.JSDivergence(from_logits=False)(single([1, 0]), single([0, 1]))
    assert float(certain) == pytest.approx(math.log(2))
    assert float(losses.KLDivergence()(z[:1], target[:1])) == 0
    log_target = np.log(np.maximum(target, 1e-30))
    log_target[target == 0] = -np.inf
    value = losses.KLDivergence(log_target=True)(z, log_target)
    np.testing.assert_allclose(value, losses.KLDivergence()(z, target), rtol=1e-6)


def test_nothing_predicted_where_nothing_is():
    """No region costs 0, with smoothing or without, and its gradient is finite."""
    z, t = single([-1e4, -1e4]), np.asarray([[0, 0]])
    for loss in (
        losses.Dice(0.0),
        losses.IoU(0.0),
        losses.Tversky(0.0),
        losses.FocalTversky(0.0),
        losses.Dice(),
    ):
        value, gradient = value_and_grad(lambda z: loss(z, t))(z)  # noqa: B023
        assert value == 0
        assert np.isfinite(gradient).all()


def test_a_region_that_is_right_has_no_gradient():
    z, t = single([1e4, -1e4, 1e4]), np.asarray([[1, 0, 1]])
    value, gradient = value_and_grad(lambda z: losses.FocalTversky()(z, t))(z)
    assert value == 0
    assert not gradient.any()


def test_equal_and_zero_vectors():
    """Distances and cosines of 0 have finite gradients."""
    zero = np.zeros((2, 2, 3), dtype="float32")
    triples = np.zeros((2, 3, 3), dtype="float32")
    y = np.asarray([1, -1])
    for loss, x in (
        (losses.Contrastive(), zero),
        (losses.CosineEmbedding(), zero),
        (losses.NTXent(), zero),
        (losses.Triplet(eps=0.0), triples),
        (losses.Triplet(eps=0.0, p=3.0), triples),
        (losses.Triplet(eps=0.0, p=1.0), triples),
    ):
        for scale in (0.0, 1.0, 1e15):
            value, gradient = value_and_grad(lambda x: loss(x, y))(x + np.float32(scale))  # noqa: B023
            assert np.isfinite(value)
            assert np.isfinite(gradient).all()


def test_a_target_of_0_in_a_percentage():
    value, gradient = value_and_grad(lambda p: losses.MAPE()(p, single(0)))(single(0.5))
    assert float(value) == pytest.approx(5e6)
    assert np.isfinite(gradient).all()


def test_predictions_below_0_in_msle():
    value, gradient = value_and_grad(lambda p: losses.MSLE()(p, single(1, 1)))(single(-5, 0))
    assert float(value) == pytest.approx(math.log(2) ** 2)
    assert gradient[0] == 0
    assert gradient[1] == pytest.approx(-math.log(2))


def test_impossible_classes_in_cross_entropy():
    """A logit of minus infinity rules a class out."""
    z = single([0.0, -np.inf, 0.0])
    value, gradient = value_and_grad(lambda z: losses.CrossEntropy()(z, np.asarray([0])))(z)
    assert float(value) == pytest.approx(math.log(2))
    np.testing.assert_allclose(gradient, [[-0.5, 0.0, 0.5]])
