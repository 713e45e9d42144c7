"""200 steps of every optimizer against PyTorch's, recorded in the golden file, within 1e-12."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from learnkit import nn
from learnkit.optim import ClipByGlobalNorm
from learnkit.optim.base import State
from learnkit.optim.engine import update_in_place
from learnkit.plugins import registry
from learnkit.schedules import Schedule
from learnkit.training import Trainer

GOLDEN = Path(__file__).parents[1] / "golden"
ARRAYS = np.load(GOLDEN / "optimizers.npz")
_spec = importlib.util.spec_from_file_location("make_golden", GOLDEN / "make_golden.py")
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)


@dataclass(frozen=True)
class Drop(Schedule):
    """The learning rate of the golden traces: a tenth from step 100 on."""

    lr: float

    def __call__(self, step):
        return made.lr_at(self.lr, step)


def optimizer_of(rule, lr=None):
    name, options = made.RULES[rule]
    return registry.create(
        "optimizer", {"name": name, **options, "lr": Drop(options["lr"]) if lr is None else lr}
    )


def test_every_optimizer_that_pytorch_has_too_has_a_trace():
    """All others are compared with Optax or the authors' code in tests/peers, and in test_rules.py."""
    assert set(made.TORCH) == {name for name, _ in made.RULES.values()}
    assert set(made.TORCH) <= set(registry.names("optimizer", third_party=False))


@pytest.mark.parametrize("problem", made.PROBLEMS)
@pytest.mark.parametrize("rule", made.RULES)
def test_apply_follows_pytorch(rule, problem):
    """Through ``apply``, with a drop of lr in mid-run, tiny gradients, and gradients of zero."""
    gradient, start = made.PROBLEMS[problem]
    optimizer = optimizer_of(rule)
    theta = np.asarray(start)
    state = optimizer.init(theta)
    trace = []
    for step in range(1, made.STEPS + 1):
        theta, state = optimizer.apply(theta, gradient(theta, step), state)
        if step in made.RECORDED:
            trace.append(theta)
    np.testing.assert_allclose(np.stack(trace), ARRAYS[f"{rule} | {problem}"], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("rule", made.RULES)
def test_update_in_place_follows_pytorch_on_every_backend(backend, rule):
    """Through the engine that the trainer uses."""
    gradient, start = made.PROBLEMS["tiny gradients"]
    optimizer = optimizer_of(rule)
    theta = backend.asarray(np.asarray(start), "float64")
    state = optimizer.init(theta)
    wanted = ARRAYS[f"{rule} | tiny gradients"]
    for step in range(1, 31):
        with backend.no_sync():
            grad = backend.asarray(gradient(None, step), "float64")
            update_in_place(optimizer, theta, grad, state)
        if step in made.RECORDED:
            backend.assert_array(
                theta, wanted[made.RECORDED.index(step)], dtype="float64", rtol=1e-12, atol=1e-15
            )
    assert state.step == 30


@pytest.mark.parametrize("rule", made.NETWORK_RULES)
def test_a_network_follows_pytorch(backend, rule):
    """Forward, gradient and update together: theta of a 3-4-1 network after up to 200 trainer steps."""
    x, y, start = made.network()
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = optimizer_of(rule, made.NETWORK_LR.get(made.RULES[rule][0], 1e-2))
    trainer = Trainer(model, "mse", optimizer, backend=backend.backend, dtype="float64")
    model.load_arrays({path: backend.asarray(v, "float64") for path, v in start.items()})
    steps = made.NETWORK_STEPS if backend.name == "numpy" else made.NETWORK_STEPS[:5]
    for step in range(1, steps[-1] + 1):
        trainer.step(x, y)
        if step in steps:
            wanted = ARRAYS[f"{rule} | network"][steps.index(step)]
            backend.assert_array(trainer.parameters.theta, wanted, dtype="float64", rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("i", range(len(made.clip_inputs())))
def test_clipping_follows_pytorch_but_for_its_epsilon(backend, i):
    """PyTorch divides by norm + 1e-6, ours by the norm: where it clips, ours is larger by that factor."""
    grads, max_norm = made.clip_inputs()[i]
    norm, recorded = ARRAYS[f"clip {i}"][0], ARRAYS[f"clip {i}"][1:]
    clipped = ClipByGlobalNorm(max_norm).transform([backend.asarray(g, "float64") for g in grads])
    ours = np.concatenate([backend.to_numpy(c).ravel() for c in clipped])
    factor = norm / (norm + 1e-6) if norm > max_norm else 1.0
    np.testing.assert_allclose(ours * factor, recorded, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(ours), min(norm, max_norm), rtol=1e-12)


def test_a_trace_continues_from_a_saved_state():
    """Stopping at step 57 and going on with copies of everything changes no bit."""
    gradient, start = made.PROBLEMS["rosenbrock"]
    optimizer = optimizer_of("adamw decay")
    theta = np.asarray(start)
    state = optimizer.init(theta)
    for step in range(1, 101):
        if step == 58:
            theta = theta.copy()
            state = State(
                state.step, {name: [a.copy() for a in arrays] for name, arrays in state.slots.items()}
            )
        theta, state = optimizer.apply(theta, gradient(theta, step), state)
    wanted = ARRAYS["adamw decay | rosenbrock"][made.RECORDED.index(100)]
    np.testing.assert_allclose(theta, wanted, rtol=1e-12)
