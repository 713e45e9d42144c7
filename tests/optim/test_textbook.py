"""The equations of optimization as textbooks print them, evaluated as they stand, against the rules.

Where PyTorch's form is the default and differs, the keyword that selects the printed form is given here.
Beside each rule stands its equation; theta and the gradient of L(theta) are those of Rosenbrock's valley.
"""

from __future__ import annotations

import numpy as np
import pytest

from learnkit import optim
from learnkit.autodiff import value_and_grad
from learnkit.optim.parts import Recurrence, peak_of
from learnkit.schedules import Constant, Cosine, Join, Warmup

ETA, BETA, EPSILON = 0.1, 0.8, 1e-3


def loss(theta):
    """Rosenbrock's, ((1 - x)^2 + 100 (y - x^2)^2) / 1000, on arrays and variables alike."""
    x, y = theta[0], theta[1]
    return 1e-3 * ((1 - x) ** 2 + 100 * (y - x**2) ** 2)


def nabla(theta):
    x, y = theta
    return 1e-3 * np.asarray([-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)])


def descent(theta):
    r"""\theta_{t+1} = \theta_t - \eta \nabla L(\theta_t)"""
    while True:
        theta = theta - ETA * nabla(theta)
        yield theta


def momentum(theta):
    r"""v_{t+1} = \beta v_t + \nabla L(\theta_t);  \theta_{t+1} = \theta_t - \eta v_{t+1}"""
    v = 0.0
    while True:
        v = BETA * v + nabla(theta)
        theta = theta - ETA * v
        yield theta


def nesterov(theta):
    r"""v_{t+1} = \beta v_t + \nabla L(\theta_t - \beta v_t);  \theta_{t+1} = \theta_t - \eta v_{t+1}"""
    v = 0.0
    while True:
        v = BETA * v + nabla(theta - BETA * v)
        theta = theta - ETA * v
        yield theta


def nesterov_sutskever(theta):
    r"""v_{t+1} = \beta v_t - \eta \nabla L(\theta_t + \beta v_t);  \theta_{t+1} = \theta_t + v_{t+1}"""
    v = 0.0
    while True:
        v = BETA * v - ETA * nabla(theta + BETA * v)
        theta = theta + v
        yield theta


def adagrad(theta):
    r"""G_t = G_{t-1} + (\nabla L)^2;  \theta_{t+1} = \theta_t - \eta / \sqrt{G_t + \epsilon} \nabla L"""
    total = 0.0
    while True:
        g = nabla(theta)
        total = total + g**2
        theta = theta - ETA / np.sqrt(total + EPSILON) * g
        yield theta


def rmsprop(theta):
    r"""G_t = \beta G_{t-1} + (1-\beta) (\nabla L)^2;
    \theta_{t+1} = \theta_t - \eta / \sqrt{G_t + \epsilon} \nabla L"""
    average = 0.0
    while True:
        g = nabla(theta)
        average = BETA * average + (1 - BETA) * g**2
        theta = theta - ETA / np.sqrt(average + EPSILON) * g
        yield theta


def adam(theta):
    r"""m_t = \beta_1 m_{t-1} + (1-\beta_1) \nabla L;  v_t = \beta_2 v_{t-1} + (1-\beta_2) (\nabla L)^2;
    \hat m_t = m_t / (1 - \beta_1^t);  \hat v_t = v_t / (1 - \beta_2^t);
    \theta_{t+1} = \theta_t - \eta / (\sqrt{\hat v_t} + \epsilon) \hat m_t"""
    m, v, t = 0.0, 0.0, 0
    while True:
        g, t = nabla(theta), t + 1
        m = BETA * m + (1 - BETA) * g
        v = 0.99 * v + (1 - 0.99) * g**2
        m_hat, v_hat = m / (1 - BETA**t), v / (1 - 0.99**t)
        theta = theta - ETA / (np.sqrt(v_hat) + EPSILON) * m_hat
        yield theta


EQUATIONS = [
    (optim.SGD(ETA), descent),
    (optim.Momentum(ETA, BETA), momentum),
    (optim.SGD(ETA, momentum=BETA), momentum),
    (optim.Nesterov(ETA, 0.8, lookahead="velocity"), nesterov),
    (optim.Nesterov(ETA, BETA, lookahead="step", lr_in_velocity=True), nesterov_sutskever),
    (optim.Nesterov(ETA, BETA, lookahead="step"), nesterov_sutskever),
    (optim.Adagrad(ETA, eps=EPSILON, eps_inside_root=True), adagrad),
    (optim.RMSprop(ETA, alpha=BETA, eps=EPSILON, eps_inside_root=True), rmsprop),
    (optim.Adam(ETA, betas=(BETA, 0.99), eps=EPSILON), adam),
]


@pytest.mark.parametrize(("rule", "equation"), EQUATIONS)
def test_the_printed_equation(rule, equation):
    """100 steps, with the gradient that the library differentiates, where the rule asks for it."""
    theta = np.asarray([-1.2, 1.0])
    steps = equation(theta)
    state = rule.init(theta)
    for _ in range(100):
        _, theta, state = rule.step_with(value_and_grad(loss), theta, state)
        np.testing.assert_allclose(theta, next(steps), rtol=1e-12)


def test_pytorchs_form_of_nesterov_walks_through_the_points_ahead():
    """Its theta is the point where the original form takes its gradient."""
    original, usual = optim.Nesterov(ETA, lookahead="step"), optim.Nesterov(ETA)
    theta = point = np.asarray([-1.2, 1.0])
    state, other = original.init(theta), usual.init(point)
    for _ in range(50):
        np.testing.assert_allclose(original.lookahead_params(theta, state), point, rtol=1e-12)
        _, theta, state = original.step_with(value_and_grad(loss), theta, state)
        point, other = usual.apply(point, nabla(point), other)


def test_rules_that_look_ahead_say_so():
    assert optim.Nesterov().plain
    assert not optim.Nesterov(lookahead="step").plain
    assert optim.ASGD.averages
    assert optim.ScheduleFreeSGD.averages
    assert not optim.Adam.averages


# What rules stand on


def test_a_recurrence_gives_any_step_in_any_order():
    """The same number whether it is asked step by step, at once, or backwards over its marks."""
    ordered = Recurrence(1.0, lambda before, t: before * (1 - 0.5 * 0.96**t))
    values = [ordered(t) for t in range(1000)]
    asked = np.random.default_rng(0).permutation(1000)
    jumping = Recurrence(1.0, lambda before, t: before * (1 - 0.5 * 0.96**t))
    assert [jumping(int(t)) for t in asked] == [values[t] for t in asked]
    assert values[2] == (1 - 0.5 * 0.96) * (1 - 0.5 * 0.96**2)


def test_nadam_and_schedule_free_resume_in_the_middle_of_nowhere():
    """A step asked for without those before it finds the coefficients that they would have led to."""
    for rule in (
        optim.NAdam(Cosine(0.1, total_steps=2000)),
        optim.ScheduleFreeSGD(Cosine(0.1, total_steps=2000), warmup_steps=3, r=1.0),
    ):
        theta, grad = np.asarray([1.0]), np.asarray([0.5])
        slots = rule.init_slots(theta)
        late = rule.update(theta, grad, *slots, lr=0.1, step=1234)
        for step in (1, 2, 700, 1233):
            rule.update(theta, grad, *slots, lr=0.1, step=step)
        for a, b in zip(late, rule.update(theta, grad, *slots, lr=0.1, step=1234), strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_base_of_a_learning_rate():
    assert peak_of(0.1) == 0.1
    assert peak_of(Cosine(0.3)) == 0.3
    assert peak_of(Cosine(0.3) * 0.5) == 0.15
    assert peak_of(Warmup(Cosine(0.3), 5)) == 0.3
    assert peak_of(Join((Constant(0.1), Cosine(0.3)), (10,))) == 0.3


def test_orthogonalized_matrices_keep_their_directions(backend):
    """Singular values go towards 1, singular vectors stay; lying, upright, and square."""
    rng = np.random.default_rng(5)
    for shape in ((3, 5), (5, 3), (4, 4)):
        u, _, vt = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
        x = backend.asarray(u @ np.diag(np.linspace(1.0, 2.0, min(shape))) @ vt, "float64")
        with backend.no_sync():
            found = optim.orthogonalized(x, steps=10)
        values = np.diag(u.T @ backend.to_numpy(found) @ vt.T)
        assert (values > 0.6).all()
        assert (values < 1.3).all()
        backend.assert_array(found, u @ np.diag(values) @ vt, like=x, rtol=1e-10, atol=1e-10)


def test_a_centered_rmsprop_survives_a_constant_gradient():
    """The variance of equal gradients is 0 but for rounding, which may take it below."""
    rule = optim.RMSprop(1e-3, alpha=0.9, centered=True)
    theta = np.full(64, 1.0)
    grad = np.random.default_rng(1).normal(size=64)
    state = rule.init(theta)
    for _ in range(500):
        theta, state = rule.apply(theta, grad, state)
    assert np.isfinite(theta).all()


def test_prodigy_waits_for_a_gradient():
    """Without any it neither moves nor decays; one estimate serves all leaves, of whatever dtype."""
    rule = optim.Prodigy(weight_decay=0.1, d0=1e-3)
    params = {"a": np.ones(2), "b": np.ones(3, dtype="float32")}
    state = rule.init(params)
    still, state = rule.apply(params, {name: 0 * p for name, p in params.items()}, state)
    for name, p in params.items():
        np.testing.assert_array_equal(still[name], p)
    for _ in range(20):
        still, state = rule.apply(still, {name: 2 * p for name, p in still.items()}, state)
    assert state.slots["d"][0] > 0.01
    np.testing.assert_allclose(state.slots["d"][0], state.slots["d"][1], rtol=1e-6)
