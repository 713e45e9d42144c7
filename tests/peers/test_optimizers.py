"""Optimizers against PyTorch, Optax and the reference codes: 200 steps of all problems within 1e-12.

Each row of ``PEERS`` names a rule of ours with the keywords that make it equal to the peer beside it. One
run goes through a tree of Rosenbrock's valley, gradients of 1e-7, gradients of zero, and a small network,
and the learning rate drops to a tenth in the middle.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from learnkit import optim
from learnkit.plugins import registry
from learnkit.schedules import Schedule

PATH = Path(__file__).parents[1] / "golden" / "make_golden.py"
_spec = importlib.util.spec_from_file_location("make_golden", PATH)
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)


@dataclass(frozen=True)
class Drop(Schedule):
    """A tenth from the middle of the run on."""

    lr: float

    def __call__(self, step):
        return made.lr_at(self.lr, step)


def ours(rule, dtype, steps, start):
    """The trees after each step."""
    tree = {key: value.astype(dtype) for key, value in start.items()}
    state, trace = rule.init(tree), []
    for step in range(1, steps + 1):
        at = rule.lookahead_params(tree, state)
        grads = made.tree_gradients(at, step)
        grads = {key: np.asarray(grads[key], dtype=dtype) for key in tree}
        tree, state = rule.apply(tree, grads, state)
        trace.append(tree)
    return trace, rule.evaluation_params(tree, state)


def by_torch(make, lr, dtype, steps, start, *, ahead=0, along=None):
    """The same by a PyTorch optimizer, or by several for parts of the tree.

    With ``along``, a trace, its gradients are those there and not those where it is itself.
    """
    import torch

    with made.torch_in_float64():
        tree = {key: torch.tensor(value.astype(dtype)) for key, value in start.items()}
        optimizers = make(tree)
        optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
        trace = []
        for step in range(steps):
            at = [start, *along][step] if along else {key: v.numpy().copy() for key, v in tree.items()}
            grads = made.tree_gradients(at, step + 1)
            for key, value in tree.items():
                value.grad = torch.tensor(np.asarray(grads[key], dtype=dtype))
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = made.lr_at(lr, step + ahead)
                optimizer.step()
            trace.append({key: v.numpy().copy() for key, v in tree.items()})
        return trace, optimizers, tree


def by_optax(make, lr, dtype, steps, start, *, along=None):
    """The same by a transformation of Optax; ``make`` takes the learning rate as a function of the count."""
    import jax
    import jax.numpy as jnp

    def schedule(count):
        return jnp.where(count < made.CHANGE_AT, lr, made.lr_at(lr, made.CHANGE_AT))

    with jax.enable_x64(dtype == "float64"):
        transformation = make(schedule)
        tree = {key: jnp.asarray(value, dtype=dtype) for key, value in start.items()}
        state = transformation.init(tree)
        update = jax.jit(transformation.update)
        trace = []
        for step in range(1, steps + 1):
            at = [start, *along][step - 1] if along else {key: np.asarray(v) for key, v in tree.items()}
            grads = made.tree_gradients(at, step)
            grads = {key: jnp.asarray(np.asarray(grads[key], dtype=dtype)) for key in tree}
            updates, state = update(grads, state, tree)
            tree = {key: tree[key] + updates[key] for key in tree}
            trace.append({key: np.asarray(v) for key, v in tree.items()})
        return trace, state, tree


def same(found, wanted, rtol=1e-12, atol=1e-12):
    for step, (a, b) in enumerate(zip(found, wanted, strict=True), 1):
        for key in a:
            message = f"{key} after step {step}"
            np.testing.assert_allclose(a[key], b[key], rtol=rtol, atol=atol, err_msg=message)


#: Rows whose own trajectory amplifies the last bit beyond 1e-12: they are compared with equal gradients.
SENSITIVE = ("muon", "prodigy", "prodigy all", "lars decay, nesterov", "adam no momentum", "adafactor all")


# PyTorch: the rows of the golden file, with whole leaves


@pytest.mark.parametrize("rule", made.RULES)
def test_torch(rule):
    pytest.importorskip("torch")
    name, options = made.RULES[rule]
    lr = options["lr"]
    mine = registry.create("optimizer", {"name": name, **options, "lr": Drop(lr)})
    found, _ = ours(mine, "float64", made.STEPS, made.tree_start())
    theirs, *_ = by_torch(
        lambda tree: made.torch_optimizer(rule, list(tree.values())),
        lr,
        "float64",
        made.STEPS,
        made.tree_start(),
        ahead=int(name == "asgd"),
        along=found if rule in SENSITIVE else None,
    )
    same(found, theirs)


#: In float32 epsilons of 1e-8 and cancellations are what differs, so the rows are the plain ones.
SINGLE = [rule for rule in made.RULES if rule.split()[-1] not in ("centered", "all")]


@pytest.mark.parametrize("rule", SINGLE)
def test_torch_in_float32(rule):
    """20 steps within 1e-5, with equal gradients: the problems themselves amplify the last bit."""
    pytest.importorskip("torch")
    name, options = made.RULES[rule]
    mine = registry.create("optimizer", {"name": name, **options})
    found, _ = ours(mine, "float32", 20, made.tree_start())
    theirs, *_ = by_torch(
        lambda tree: made.torch_optimizer(rule, list(tree.values())),
        options["lr"],
        "float32",
        20,
        made.tree_start(),
        along=found,
    )
    same(found, theirs, rtol=1e-5, atol=1e-5)


def test_averaged_sgd_evaluates_what_torch_averages():
    pytest.importorskip("torch")
    rule = "asgd all"
    lr = made.RULES[rule][1]["lr"]
    mine = optim.ASGD(Drop(lr), lambd=0.5, alpha=0.5, t0=50.0, weight_decay=0.1)
    _, (theirs,), tree = by_torch(
        lambda tree: made.torch_optimizer(rule, list(tree.values())),
        lr,
        "float64",
        made.STEPS,
        made.tree_start(),
        ahead=1,
    )
    _, average = ours(mine, "float64", made.STEPS, made.tree_start())
    same([average], [{key: theirs.state[value]["ax"].numpy() for key, value in tree.items()}])


@pytest.mark.parametrize("adjust", [None, "original", "match_rms_adamw"])
@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_is_that_of_torch_but_for_bfloat16(monkeypatch, adjust, nesterov):
    """PyTorch's matrices stand as (outputs, inputs); its bfloat16 is taken out for the comparison."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda x: x.clone())
    options = {"weight_decay": 0.2, "momentum": 0.8, "nesterov": nesterov, "adjust_lr_fn": adjust}

    def make(tree):
        matrices = [v for v in tree.values() if v.ndim == 2]
        others = [v for v in tree.values() if v.ndim != 2]
        adamw = torch.optim.AdamW(others, lr=0.02, weight_decay=0.1)
        return [torch.optim.Muon(matrices, lr=0.02, **options), adamw]

    mine = optim.Muon(Drop(0.02), **options, output_axis=0, fallback_weight_decay=0.1)
    found, _ = ours(mine, "float64", made.STEPS, made.tree_start())
    theirs, *_ = by_torch(make, 0.02, "float64", made.STEPS, made.tree_start(), along=found)
    same(found, theirs)


# Optax: the variants that it has and PyTorch has not; tests/peers/test_jax.py holds those both have


def adafactor_of_optax(o, lr):
    """The paper's form from its parts; the decay rate in float64, not float32 as by default."""
    import jax.numpy as jnp

    return o.chain(
        o.scale_by_factored_rms(
            min_dim_size_to_factor=2,
            decay_rate_fn=lambda i, exponent: 1.0 - jnp.asarray(i + 1, jnp.float64) ** (-exponent),
        ),
        o.clip_by_block_rms(1.5),
        o.scale_by_learning_rate(lr),
        o.scale_by_param_block_rms(1e-3),
    )


#: row: our rule for a learning rate, Optax's for the same, the learning rate.
OPTAX = {
    "sgd lr_in_velocity": (
        lambda lr: optim.SGD(lr, momentum=0.9, lr_in_velocity=True),
        lambda o, lr: o.chain(o.scale_by_learning_rate(lr), o.trace(0.9)),
        2e-4,
    ),
    "nesterov lr_in_velocity": (
        lambda lr: optim.Nesterov(lr, lr_in_velocity=True),
        lambda o, lr: o.chain(o.scale_by_learning_rate(lr), o.trace(0.9, nesterov=True)),
        2e-4,
    ),
    "adagrad": (
        lambda lr: optim.Adagrad(lr, initial_accumulator_value=0.1, eps=1e-7, eps_inside_root=True),
        lambda o, lr: o.adagrad(lr),
        0.1,
    ),
    "rmsprop": (
        lambda lr: optim.RMSprop(lr, alpha=0.9, eps_inside_root=True),
        lambda o, lr: o.rmsprop(lr),
        1e-3,
    ),
    "rmsprop centered, momentum": (
        lambda lr: optim.RMSprop(
            lr, alpha=0.8, eps=1e-6, momentum=0.9, centered=True, eps_inside_root=True, lr_in_momentum=True
        ),
        lambda o, lr: o.rmsprop(lr, decay=0.8, eps=1e-6, centered=True, momentum=0.9),
        1e-3,
    ),
    "adam amsgrad": (
        lambda lr: optim.Adam(lr, betas=(0.9, 0.9), amsgrad="corrected"),
        lambda o, lr: o.amsgrad(lr, b2=0.9),
        1e-2,
    ),
    "adamw": (
        lambda lr: optim.AdamW(lr, weight_decay=0.1),
        lambda o, lr: o.adamw(lr, weight_decay=0.1),
        1e-2,
    ),
    "nadam": (lambda lr: optim.NAdam(lr, momentum_decay=None), lambda o, lr: o.nadam(lr), 1e-2),
    "radam": (optim.RAdam, lambda o, lr: o.radam(lr), 5e-4),
    "adabelief": (optim.AdaBelief, lambda o, lr: o.adabelief(lr), 1e-2),
    "yogi": (optim.Yogi, lambda o, lr: o.yogi(lr), 1e-2),
    "adan": (
        # Optax has 1 - b2 where the paper has b2; at 0.5 they are one.
        lambda lr: optim.Adan(lr, betas=(0.9, 0.5, 0.95), weight_decay=0.1, no_prox=True),
        lambda o, lr: o.adan(lr, b1=0.9, b2=0.5, b3=0.95, eps_root=0.0, weight_decay=0.1),
        1e-2,
    ),
    "lion": (lambda lr: optim.Lion(lr, weight_decay=0.1), lambda o, lr: o.lion(lr, weight_decay=0.1), 1e-3),
    "lamb": (lambda lr: optim.LAMB(lr, weight_decay=0.1), lambda o, lr: o.lamb(lr, weight_decay=0.1), 1e-2),
    "lars": (optim.LARS, lambda o, lr: o.lars(lr), 1.0),
    "lars decay, nesterov": (
        lambda lr: optim.LARS(
            lr, 0.8, 0.1, trust_coefficient=0.01, eps=1e-6, nesterov=True, norm_of_sum=True
        ),
        lambda o, lr: o.lars(
            lr, weight_decay=0.1, trust_coefficient=0.01, eps=1e-6, momentum=0.8, nesterov=True
        ),
        0.5,
    ),
    "novograd": (
        lambda lr: optim.NovoGrad(lr, betas=(0.9, 0.25), eps=1e-6, weight_decay=0.01),
        lambda o, lr: o.novograd(lr, weight_decay=0.01),
        1e-2,
    ),
    "adafactor": (
        lambda lr: optim.Adafactor(
            lr, d=1.5, relative_step=False, eps_placement="square", min_dim_size_to_factor=2
        ),
        adafactor_of_optax,
        1e-2,
    ),
    "muon": (
        lambda lr: optim.Muon(
            lr, weight_decay=0.1, momentum=0.9, nesterov=False, eps=1e-30, fallback_eps=1e-30
        ),
        lambda o, lr: o.contrib.muon(lr, beta=0.9, weight_decay=0.1, nesterov=False, eps=1e-30),
        1e-2,
    ),
    "schedule_free_sgd": (
        lambda lr: optim.ScheduleFreeSGD(lr, momentum=0.8, weight_decay=0.1),
        lambda o, lr: o.contrib.schedule_free_sgd(lr, b1=0.8, weight_decay=0.1),
        1e-4,
    ),
    "schedule_free_adamw": (
        lambda lr: optim.ScheduleFreeAdamW(lr, weight_decay=0.1),
        lambda o, lr: o.contrib.schedule_free_adamw(lr, weight_decay=0.1),
        1e-2,
    ),
    "prodigy": (
        lambda lr: optim.Prodigy(lr, weight_decay=0.1, use_bias_correction=True, d0=1e-3),
        lambda o, lr: o.contrib.prodigy(lr, weight_decay=0.1, estim_lr0=1e-3),
        1.0,
    ),
}


@pytest.mark.parametrize("row", OPTAX)
def test_optax(row):
    optax = pytest.importorskip("optax")
    mine, theirs, lr = OPTAX[row]
    found, _ = ours(mine(Drop(lr)), "float64", made.STEPS, made.tree_start())
    along = found if row in SENSITIVE else None
    wanted, *_ = by_optax(
        lambda schedule: theirs(optax, schedule), lr, "float64", made.STEPS, made.tree_start(), along=along
    )
    same(found, wanted)


@pytest.mark.parametrize("row", ["nadam", "yogi", "adan", "lion", "lamb", "lars", "novograd"])
def test_optax_in_float32(row):
    optax = pytest.importorskip("optax")
    mine, theirs, lr = OPTAX[row]
    found, _ = ours(mine(lr), "float32", 20, made.tree_start())
    wanted, *_ = by_optax(
        lambda schedule: theirs(optax, schedule), lr, "float32", 20, made.tree_start(), along=found
    )
    same(found, wanted, rtol=1e-5, atol=1e-5)


# The authors' own codes, where they are installed


def reference_prodigy(tree, **options):
    module = pytest.importorskip("prodigyopt", reason="prodigyopt is not installed")
    return module.Prodigy(list(tree.values()), **options)


def reference_schedule_free(tree, name, **options):
    module = pytest.importorskip("schedulefree", reason="schedulefree is not installed")
    optimizer = getattr(module, name)(list(tree.values()), **options)
    optimizer.train()
    return optimizer


def reference_lion(tree, **options):
    module = pytest.importorskip("lion_pytorch", reason="lion_pytorch is not installed")
    return module.Lion(list(tree.values()), **options)


def reference_adan(tree, **options):
    module = pytest.importorskip("pytorch_optimizer", reason="pytorch_optimizer is not installed")
    return module.Adan(list(tree.values()), **options)


REFERENCES: dict[str, Any] = {
    "prodigy": (
        lambda lr: optim.Prodigy(lr),
        lambda tree, lr: reference_prodigy(tree, lr=lr),
        1.0,
    ),
    "prodigy all": (
        lambda lr: optim.Prodigy(
            lr,
            betas=(0.8, 0.9),
            beta3=0.9,
            weight_decay=0.1,
            use_bias_correction=True,
            safeguard_warmup=True,
            d0=1e-4,
            d_coef=0.5,
            growth_rate=1.1,
        ),
        lambda tree, lr: reference_prodigy(
            tree,
            lr=lr,
            betas=(0.8, 0.9),
            beta3=0.9,
            weight_decay=0.1,
            use_bias_correction=True,
            safeguard_warmup=True,
            d0=1e-4,
            d_coef=0.5,
            growth_rate=1.1,
        ),
        0.5,
    ),
    "schedule_free_sgd": (
        lambda lr: optim.ScheduleFreeSGD(lr, weight_decay=0.1, warmup_steps=20, r=1.0),
        lambda tree, lr: reference_schedule_free(
            tree, "SGDScheduleFree", lr=lr, weight_decay=0.1, warmup_steps=20, r=1.0, foreach=False
        ),
        1e-4,
    ),
    "schedule_free_adamw": (
        lambda lr: optim.ScheduleFreeAdamW(lr, betas=(0.8, 0.99), weight_decay=0.1, warmup_steps=20),
        lambda tree, lr: reference_schedule_free(
            tree, "AdamWScheduleFreeReference", lr=lr, betas=(0.8, 0.99), weight_decay=0.1, warmup_steps=20
        ),
        1e-2,
    ),
    "lion": (
        lambda lr: optim.Lion(lr, weight_decay=0.1),
        lambda tree, lr: reference_lion(tree, lr=lr, weight_decay=0.1),
        1e-3,
    ),
    "adan": (
        lambda lr: optim.Adan(lr, weight_decay=0.1),
        lambda tree, lr: reference_adan(tree, lr=lr, weight_decay=0.1, weight_decouple=False, foreach=False),
        1e-2,
    ),
}


@pytest.mark.parametrize("row", REFERENCES)
def test_the_code_of_the_authors(row):
    pytest.importorskip("torch")
    mine, theirs, lr = REFERENCES[row]
    found, _ = ours(mine(Drop(lr)), "float64", made.STEPS, made.tree_start())
    along = found if row in SENSITIVE else None
    wanted, *_ = by_torch(
        lambda tree: theirs(tree, lr), lr, "float64", made.STEPS, made.tree_start(), along=along
    )
    same(found, wanted)
