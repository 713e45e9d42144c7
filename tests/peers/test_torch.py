"""Live comparisons with PyTorch: more cases than the golden files hold, and learnkit on tensors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from learnkit import nn  # noqa: E402
from learnkit.autodiff import grad, value_and_grad  # noqa: E402
from learnkit.backends import array_namespace  # noqa: E402
from learnkit.optim import SGD, Adam, AdamW, ClipByGlobalNorm, global_norm  # noqa: E402
from learnkit.plugins import registry  # noqa: E402
from learnkit.schedules import Cosine, OneCycle  # noqa: E402


def test_onecycle_for_every_length_and_start(made):
    """T from 1 to 50, eleven starts, both strategies, two and three phases: to 1e-12 at every step."""
    compared = 0
    for total in range(1, 51):
        for pct_start in made.PCT_STARTS:
            for strategy in made.STRATEGIES:
                for three_phase in (False, True):
                    theirs = made.torch_onecycle(total, pct_start, strategy, three_phase)
                    schedule = OneCycle(0.1, total, pct_start, strategy, 20.0, 1e3, three_phase)
                    ours = [schedule(t) for t in range(total)]
                    if theirs is None:  # it divides by zero
                        assert np.isfinite(ours).all()
                    else:
                        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)
                        compared += 1
    assert compared > 2000


def test_cosine_step_by_step():
    """PyTorch's recursive form agrees as far as its rounding allows."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 60, eta_min=1e-3)
    ours = Cosine(0.1, total_steps=60, min_lr=1e-3)
    for step in range(60):
        assert ours(step) == pytest.approx(schedule.get_last_lr()[0], rel=1e-11)
        optimizer.step()
        schedule.step()


RULES = {
    "sgd": (SGD(0.05, momentum=0.9, nesterov=True, weight_decay=0.01), torch.optim.SGD,
            {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "adam": (Adam(0.01, l2=0.1), torch.optim.Adam, {"lr": 0.01, "weight_decay": 0.1}),
    "adamw": (AdamW(0.01), torch.optim.AdamW, {"lr": 0.01}),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rule", RULES)
def test_optimizers_on_tensors(rule, seed):
    """Tensors in, tensors out, with torch's own optimizer beside it on random gradients of all sizes."""
    ours, theirs, options = RULES[rule]
    generator = torch.Generator().manual_seed(seed)
    params = {
        "w": torch.randn(3, 2, generator=generator, dtype=torch.float64),
        "b": torch.zeros(2, dtype=torch.float64),
    }
    copies = [p.clone() for p in params.values()]
    optimizer = theirs(copies, **options)
    state = ours.init(params)
    for step in range(200):
        grads = {
            k: torch.randn(p.shape, generator=generator, dtype=torch.float64) * 10.0 ** (step % 9 - 7)
            for k, p in params.items()
        }
        for copy, g in zip(copies, grads.values(), strict=True):
            copy.grad = g.clone()
        optimizer.step()
        params, state = ours.apply(params, grads, state)
    for p, copy in zip(params.values(), copies, strict=True):
        assert isinstance(p, torch.Tensor)
        torch.testing.assert_close(p, copy, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["mse", "mae", "cross_entropy", "binary_cross_entropy"])
def test_losses_on_random_tensors(made, name):
    loss = registry.create("loss", name)
    rng = np.random.default_rng(8)
    for n, k in ((1, 2), (7, 3), (32, 10)):
        y_pred = rng.normal(size=(n, k)) * 5
        y_true = rng.integers(0, k, n) if name == "cross_entropy" else rng.uniform(size=(n, k))
        weight = rng.uniform(size=n)
        for w in (None, weight):
            value, gradient = made.torch_loss(name, y_pred, y_true, w)
            t, tw = torch.from_numpy(y_true), None if w is None else torch.from_numpy(w)
            ours, g = value_and_grad(lambda p: loss(p, t, tw))(torch.from_numpy(y_pred))  # noqa: B023
            np.testing.assert_allclose(float(ours), value, rtol=1e-12)
            np.testing.assert_allclose(g.numpy(), gradient, rtol=1e-12, atol=1e-15)


def test_a_network_has_the_gradients_of_autograd():
    """All parameters of a deep network, and the gradient of a gradient norm."""
    model = nn.Sequential(
        *(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6), nn.Tanh()),
        *(nn.Linear(6, 5), nn.Sigmoid(), nn.Linear(5, 3), nn.Softmax()),
    )
    nn.initialize(model, seed=0, backend="torch", dtype="float64")
    x = torch.randn(7, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def ours(m, x):
        y = m(x)
        return array_namespace(y).sum(y[:, 0] * y[:, 0])

    copies = {path: a.clone().requires_grad_() for path, a in model.arrays().items()}
    p = list(copies.values())

    def theirs(x):
        h = torch.relu(x @ p[0] + p[1])
        h = torch.sigmoid(torch.tanh(h @ p[2] + p[3]) @ p[4] + p[5])
        return (torch.softmax(h @ p[6] + p[7], dim=1)[:, 0] ** 2).sum()

    wanted = torch.autograd.grad(theirs(x), p, create_graph=True)
    found = grad(ours)(model, x)
    for path, want in zip(copies, wanted, strict=True):
        torch.testing.assert_close(found[path], want.detach(), rtol=1e-12, atol=1e-15)
    penalty = sum((w * w).sum() for w in wanted)
    second = torch.autograd.grad(penalty, p)
    found = grad(lambda m: sum(array_namespace(g).sum(g * g) for g in grad(ours)(m, x).values()))(model)
    for path, want in zip(copies, second, strict=True):
        torch.testing.assert_close(found[path], want, rtol=1e-10, atol=1e-14)


def test_clipping_and_norm():
    grads = [
        torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(k)) for k in range(3)
    ]
    norm = torch.nn.utils.get_total_norm(grads)
    torch.testing.assert_close(global_norm(grads), norm, rtol=1e-13, atol=0)
    clipped = ClipByGlobalNorm(0.5).transform(grads)
    for c, g in zip(clipped, grads, strict=True):
        torch.testing.assert_close(c, g * (0.5 / norm), rtol=1e-13, atol=0)


def test_initial_values_follow_the_laws_of_torch():
    """He and Xavier, by their standard deviations and bounds over many numbers."""
    shape = (400, 300)  # ours: (fan_in, fan_out); torch's weights are transposed
    weight = torch.empty(300, 400)
    for ours, theirs in (
        (nn.init.HeNormal(), torch.nn.init.kaiming_normal_),
        (nn.init.HeUniform(), torch.nn.init.kaiming_uniform_),
        (nn.init.XavierNormal(), torch.nn.init.xavier_normal_),
        (nn.init.XavierUniform(), torch.nn.init.xavier_uniform_),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs(weight)
        values = ours(shape, seed=0, stream=1)
        assert values.std() == pytest.approx(float(weight.std()), rel=0.02)
        if "Uniform" in type(ours).__name__:
            assert abs(values).max() == pytest.approx(float(weight.abs().max()), rel=1e-3)
