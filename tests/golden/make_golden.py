"""Records what PyTorch computes, for tests that run without it; beside it a script for other peers.

::

    python tests/golden/make_golden.py            # writes all files beside this one
    python tests/golden/make_golden.py losses     # only that one

Each file says which versions made it. ``tests/peers`` recomputes every file with the installed
libraries and compares, so a golden value is never older than the peer it stands for. Nothing of learnkit
is imported here: these are the numbers that it is measured by.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
STEPS = 200


def versions(*names):
    return {"numpy": np.__version__, **{n: __import__(n).__version__ for n in names}}


# Losses: values and gradients with respect to y_pred, by PyTorch in float64


def loss_inputs():
    """(loss, label, y_pred, y_true, sample_weight) of each case."""
    rng = np.random.default_rng(11)
    z = rng.normal(size=(6, 4)) * 3
    labels = np.asarray([0, 3, 2, 2, 1, 0])
    soft = rng.dirichlet(np.ones(4), size=6)
    weight = np.asarray([1.0, 0.5, 0.0, 2.0, 1.5, 0.25])
    extreme = np.asarray([[900.0, -900.0, 0.0, 1.0], [-1e4, 1e4, 1e4, 0.0]])
    scores, targets = rng.normal(size=(6, 3)) * 4, rng.uniform(size=(6, 3))
    line, truth = rng.normal(size=6), rng.normal(size=6)
    return [
        ("cross_entropy", "integers", z, labels, None),
        ("cross_entropy", "integers, weighted", z, labels, weight),
        ("cross_entropy", "probabilities", z, soft, None),
        ("cross_entropy", "probabilities, weighted", z, soft, weight),
        ("cross_entropy", "extreme logits", extreme, np.asarray([1, 3]), None),
        ("cross_entropy", "one example", z[:1], labels[:1], None),
        ("binary_cross_entropy", "one output", line * 3, (truth > 0).astype(float), None),
        ("binary_cross_entropy", "several outputs", scores, targets, None),
        ("binary_cross_entropy", "several outputs, weighted", scores, targets, weight),
        (
            "binary_cross_entropy",
            "extreme logits",
            np.asarray([900.0, -900.0, 0.0]),
            np.asarray([0.0, 1.0, 0.5]),
            None,
        ),
        ("mse", "one output", line, truth, None),
        ("mse", "several outputs", scores, targets, None),
        ("mse", "several outputs, weighted", scores, targets, weight),
        ("mae", "one output", line, truth, None),
        ("mae", "several outputs", scores, targets, None),
        (
            "mae",
            "an exact prediction, weighted",
            np.asarray([1.0, 2.0, 3.0]),
            np.asarray([1.0, 0.0, 4.0]),
            weight[:3],
        ),
    ]


def torch_loss(name, y_pred, y_true, weight):
    """Value and gradient, both NumPy."""
    import torch
    from torch.nn import functional as F

    functions = {
        "cross_entropy": F.cross_entropy,
        "binary_cross_entropy": F.binary_cross_entropy_with_logits,
        "mse": F.mse_loss,
        "mae": F.l1_loss,
    }
    p = torch.tensor(y_pred, requires_grad=True)
    t = torch.tensor(y_true)
    if weight is None:
        value = functions[name](p, t)
    else:
        each = functions[name](p, t, reduction="none")
        each = each.reshape(each.shape[0], -1).mean(dim=1)
        w = torch.tensor(weight)
        value = (each * w).sum() / w.sum()
    value.backward()
    return value.item(), p.grad.numpy()


def option_cases():
    """(loss, label, options, y_pred, y_true) of what has options, or targets of a kind of its own."""
    rng = np.random.default_rng(12)
    z, labels = rng.normal(size=(6, 4)) * 3, np.asarray([0, 3, -100, 2, 1, 0])
    soft, w = rng.dirichlet(np.ones(4), size=6), [0.5, 2.0, 1.0, 3.0]
    scores, truth = rng.normal(size=(6, 3)) * 2, rng.normal(size=(6, 3))
    yes, signs = rng.integers(0, 2, size=(6, 3)), 2 * rng.integers(0, 2, size=6) - 1
    counts, maps = rng.integers(0, 6, size=(6, 3)), rng.normal(size=(2, 3, 2, 2))
    pairs, triples = rng.normal(size=(6, 2, 4)), rng.normal(size=(6, 3, 4))
    spread = np.concatenate([scores, np.exp(truth)], axis=1)
    frames = rng.normal(size=(4, 7, 5))
    # Repeated labels, an empty target, and one that does not fit into seven frames.
    spelled = np.asarray([[1, 1, 2, -1], [3, -1, -1, -1], [-1, -1, -1, -1], [4, 4, 4, 4]])
    return [
        ("cross_entropy", "ignored", {}, z, labels),
        ("cross_entropy", "weights", {"weight": w}, z, labels),
        ("cross_entropy", "weights and smoothing", {"weight": w, "label_smoothing": 0.2}, z, labels),
        ("cross_entropy", "probabilities, both", {"weight": w, "label_smoothing": 0.2}, z, soft),
        ("cross_entropy", "images", {"weight": w[:3]}, maps, rng.integers(0, 3, size=(2, 2, 2))),
        ("nll", "weights", {"weight": w}, np.log(soft), labels),
        ("multi_margin", "defaults", {}, z, np.abs(labels) % 4),
        ("multi_margin", "all", {"p": 2, "margin": 0.7, "weight": w}, z, np.abs(labels) % 4),
        ("huber", "delta", {"delta": 0.7}, scores, truth),
        ("smooth_l1", "beta", {"beta": 0.7}, scores, truth),
        ("poisson_nll", "defaults", {}, scores, counts * 1.0),
        ("poisson_nll", "rates", {"log_input": False, "full": True}, np.exp(scores), counts * 1.0),
        ("gaussian_nll", "defaults", {}, spread, truth),
        ("gaussian_nll", "held", {"full": True, "eps": 0.9}, spread, truth),
        ("binary_cross_entropy", "pos_weight", {"pos_weight": w[:3]}, scores, yes * 1.0),
        (
            "binary_cross_entropy",
            "probabilities, certain ones too",
            {"from_logits": False},
            np.asarray([0.0, 1.0, 0.0, 1.0, 0.3, 1e-30]),
            np.asarray([0.0, 1.0, 1.0, 0.0, 0.6, 1.0]),
        ),
        ("kl_divergence", "log-probabilities", {"from_logits": False}, np.log(soft), soft[::-1]),
        (
            "kl_divergence",
            "log-targets",
            {"from_logits": False, "log_target": True},
            np.log(soft),
            np.log(soft[::-1]),
        ),
        ("triplet", "defaults", {}, triples, None),
        ("triplet", "all", {"margin": 0.3, "p": 3.0, "eps": 1e-4, "swap": True}, triples, None),
        ("margin_ranking", "margin", {"margin": 0.4}, scores[:, :2], signs),
        ("cosine_embedding", "margin", {"margin": 0.1}, pairs, signs),
        ("ctc", "repeats", {}, frames[:3], spelled[:3]),
        ("ctc", "one impossible", {"zero_infinity": True}, frames, spelled),
    ]


def torch_mean(name, options, p, t):
    """The loss of tensors by PyTorch, under learnkit's names."""
    import torch
    from torch.nn import functional as F

    o = dict(options)
    for key in ("weight", "pos_weight"):
        if key in o:
            o[key] = torch.tensor(o[key], dtype=p.dtype)
    if name == "binary_cross_entropy":
        if o.pop("from_logits", True):
            return F.binary_cross_entropy_with_logits(p, t, **o)
        return F.binary_cross_entropy(p, t, **o)
    if name == "kl_divergence":
        return F.kl_div(p, t, reduction="batchmean", log_target=o.get("log_target", False))
    if name == "gaussian_nll":
        k = p.shape[1] // 2
        return F.gaussian_nll_loss(p[:, :k], t, p[:, k:], **o)
    if name == "triplet":
        return F.triplet_margin_loss(p[:, 0], p[:, 1], p[:, 2], **o)
    if name in ("margin_ranking", "cosine_embedding"):
        function = {"margin_ranking": F.margin_ranking_loss, "cosine_embedding": F.cosine_embedding_loss}[
            name
        ]
        return function(p[:, 0], p[:, 1], t, **o)
    if name == "ctc":
        n, time, _ = p.shape
        lengths = (t >= 0).sum(dim=1)
        full = torch.full((n,), time)
        log_probs = F.log_softmax(p, dim=2).transpose(0, 1)
        return F.ctc_loss(log_probs, torch.clamp(t, min=0), full, lengths, **o)
    functions = {
        "cross_entropy": F.cross_entropy,
        "nll": F.nll_loss,
        "multi_margin": F.multi_margin_loss,
        "huber": F.huber_loss,
        "smooth_l1": F.smooth_l1_loss,
        "poisson_nll": F.poisson_nll_loss,
    }
    return functions[name](p, t, **o)


def make_losses():
    import torch

    cases = []
    for name, label, y_pred, y_true, weight in loss_inputs():
        cases.append((name, label, {}, y_pred, y_true, weight, *torch_loss(name, y_pred, y_true, weight)))
    for name, label, options, y_pred, y_true in option_cases():
        p = torch.tensor(y_pred, requires_grad=True)
        value = torch_mean(name, options, p, None if y_true is None else torch.tensor(y_true.copy()))
        value.backward()
        cases.append((name, label, options, y_pred, y_true, None, value.item(), p.grad.numpy()))
    keys = ("loss", "label", "options", "y_pred", "y_true", "sample_weight", "value", "gradient")
    plain = [[v.tolist() if isinstance(v, np.ndarray) else v for v in case] for case in cases]
    return {"versions": versions("torch"), "cases": [dict(zip(keys, case, strict=True)) for case in plain]}


# Optimizers: traces of 200 steps, by PyTorch in float64

#: name of the case: learnkit's name and options. PyTorch calls Adam's l2 weight_decay.
RULES = {
    "sgd": ("sgd", {"lr": 2e-4}),
    "sgd momentum": ("sgd", {"lr": 2e-4, "momentum": 0.9}),
    "sgd dampening": ("sgd", {"lr": 2e-4, "momentum": 0.9, "dampening": 0.5}),
    "sgd nesterov": ("sgd", {"lr": 2e-4, "momentum": 0.9, "nesterov": True}),
    "sgd weight decay": ("sgd", {"lr": 2e-4, "weight_decay": 0.1}),
    "sgd all": ("sgd", {"lr": 2e-4, "momentum": 0.8, "weight_decay": 0.1, "nesterov": True}),
    "sgd momentum, dampening, decay": (
        "sgd",
        {"lr": 2e-4, "momentum": 0.8, "dampening": 0.2, "weight_decay": 0.1},
    ),
    "adam": ("adam", {"lr": 1e-2}),
    "adam betas and eps": ("adam", {"lr": 1e-2, "betas": [0.8, 0.95], "eps": 1e-6}),
    "adam l2": ("adam", {"lr": 1e-2, "l2": 0.1}),
    "adam no momentum": ("adam", {"lr": 1e-2, "betas": [0.0, 0.9]}),
    "adamw": ("adamw", {"lr": 1e-2}),
    "adamw decay": ("adamw", {"lr": 1e-2, "weight_decay": 0.3}),
    "adamw no decay": ("adamw", {"lr": 1e-2, "weight_decay": 0.0}),
    "adam amsgrad": ("adam", {"lr": 1e-2, "betas": [0.9, 0.9], "amsgrad": True}),
    "adamw amsgrad": ("adamw", {"lr": 1e-2, "betas": [0.5, 0.9], "weight_decay": 0.1, "amsgrad": True}),
    "momentum": ("momentum", {"lr": 2e-4}),
    "momentum decay": ("momentum", {"lr": 2e-4, "momentum": 0.8, "weight_decay": 0.1}),
    "nesterov": ("nesterov", {"lr": 2e-4}),
    "nesterov decay": ("nesterov", {"lr": 2e-4, "momentum": 0.8, "weight_decay": 0.1}),
    "asgd": ("asgd", {"lr": 2e-4}),
    "asgd all": ("asgd", {"lr": 2e-4, "lambd": 0.5, "alpha": 0.5, "t0": 50.0, "weight_decay": 0.1}),
    "adagrad": ("adagrad", {"lr": 1e-2}),
    "adagrad all": (
        "adagrad",
        {"lr": 0.1, "lr_decay": 0.01, "weight_decay": 0.1, "initial_accumulator_value": 0.1, "eps": 1e-6},
    ),
    "adadelta": ("adadelta", {"lr": 1.0}),
    "adadelta all": ("adadelta", {"lr": 0.5, "rho": 0.8, "eps": 1e-4, "weight_decay": 0.1}),
    "rmsprop": ("rmsprop", {"lr": 1e-2}),
    "rmsprop centered": ("rmsprop", {"lr": 1e-3, "centered": True, "eps": 1e-4}),
    "rmsprop momentum": ("rmsprop", {"lr": 1e-3, "momentum": 0.9}),
    "rmsprop all": (
        "rmsprop",
        {"lr": 1e-3, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1, "momentum": 0.5, "centered": True},
    ),
    "adamax": ("adamax", {"lr": 1e-2}),
    "adamax all": ("adamax", {"lr": 1e-2, "betas": [0.8, 0.95], "eps": 1e-4, "weight_decay": 0.1}),
    "nadam": ("nadam", {"lr": 1e-2}),
    "nadam l2": ("nadam", {"lr": 1e-2, "betas": [0.8, 0.95], "weight_decay": 0.1, "momentum_decay": 1.0}),
    "nadam decoupled": ("nadam", {"lr": 1e-2, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    "radam": ("radam", {"lr": 5e-4, "eps_placement": "hat"}),
    "radam l2": (
        "radam",
        {"lr": 5e-4, "betas": [0.8, 0.95], "eps": 1e-6, "weight_decay": 0.1, "eps_placement": "hat"},
    ),
    "radam decoupled": (
        "radam",
        {"lr": 5e-4, "weight_decay": 0.1, "decoupled_weight_decay": True, "eps_placement": "hat"},
    ),
    "rprop": ("rprop", {"lr": 1e-2}),
    "rprop all": ("rprop", {"lr": 1e-3, "etas": [0.4, 1.3], "step_sizes": [1e-4, 0.05]}),
    "adafactor": ("adafactor", {"lr": 1e-2}),
    "adafactor all": (
        "adafactor",
        {"lr": 0.05, "beta2_decay": -0.6, "eps": [1e-4, 1e-2], "d": 1.5, "weight_decay": 0.1},
    ),
}
NETWORK_RULES = (
    *("sgd all", "adam l2", "adamw decay", "nesterov decay", "adagrad all", "rmsprop all", "nadam l2"),
    *("radam l2", "adafactor", "adafactor all"),
)
NETWORK_LR = {"sgd": 0.05, "nesterov": 0.05, "adagrad": 0.1, "rmsprop": 1e-3, "adafactor": 1e-3}
NETWORK_STEPS = (1, 2, 5, 10, 20, 50, 100, 150, 200)
CHANGE_AT, CHANGE_BY = 100, 0.1
#: Steps of a trace that are kept: the first ones, those around the change of lr, and every tenth.
RECORDED = tuple(s for s in range(1, STEPS + 1) if s <= 5 or abs(s - CHANGE_AT) <= 3 or s % 10 == 0)


def rosenbrock_gradient(theta, step):
    """Of (1 - x)^2 + 100 (y - x^2)^2."""
    x, y = theta
    return np.asarray([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])


def tiny_gradient(theta, step):
    """Numbers around 1e-7, of both signs, and some exact zeros."""
    return 1e-7 * np.cos(np.asarray([1.0, 2.0, 3.0]) * step) * np.asarray([1.0, 1e-3, step % 2])


def zero_gradient(theta, step):
    """Nothing at first, something at step 50, and nothing again."""
    return np.full(3, 1.0 if step == 50 else 0.0)


#: problem: gradient of (theta, step from 1), start.
PROBLEMS = {
    "rosenbrock": (rosenbrock_gradient, [-1.2, 1.0]),
    "tiny gradients": (tiny_gradient, [0.3, -0.2, 0.1]),
    "zero gradients": (zero_gradient, [0.3, -0.2, 0.1]),
}


def lr_at(lr, step):
    """The learning rate of a step, counted from 0: it drops in the middle of the run."""
    return lr if step < CHANGE_AT else lr * CHANGE_BY


#: PyTorch's class for each name, with options that the name stands for.
TORCH = {
    "momentum": ("SGD", {"momentum": 0.9}),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    **{
        name.lower(): (name, {})
        for name in (
            *("SGD", "ASGD", "Adagrad", "Adadelta", "RMSprop", "Adam", "AdamW", "Adamax", "NAdam", "RAdam"),
            *("Rprop", "Adafactor"),
        )
    },
}


def torch_optimizer(rule, params, **changes):
    import torch

    name, options = RULES[rule]
    kind, given = TORCH[name]
    options = {**given, **options, **changes}
    if "l2" in options:
        options["weight_decay"] = options.pop("l2")
    options.pop("eps_placement", None)  # "hat" is what PyTorch's RAdam has
    options = {key: tuple(v) if isinstance(v, list) else v for key, v in options.items()}
    return getattr(torch.optim, kind)(params, **options)


def torch_set_lr(optimizer, rule, lr, step):
    """The learning rate of a step, counted from 0. ASGD calculates that of the next step at each step."""
    ahead = RULES[rule][0] == "asgd"
    optimizer.param_groups[0]["lr"] = lr_at(lr, step + 1 if ahead else step)


@contextlib.contextmanager
def torch_in_float64():
    """NAdam and ASGD keep their coefficients in the default dtype."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def torch_trace(rule, problem):
    """theta after the steps RECORDED."""
    import torch

    gradient, start = PROBLEMS[problem]
    theta = torch.tensor(start, dtype=torch.float64)
    optimizer = torch_optimizer(rule, [theta])
    lr = RULES[rule][1]["lr"]
    trace = []
    for step in range(STEPS):
        torch_set_lr(optimizer, rule, lr, step)
        theta.grad = torch.from_numpy(gradient(theta.numpy().copy(), step + 1))
        optimizer.step()
        if step + 1 in RECORDED:
            trace.append(theta.numpy().copy())
    return np.stack(trace)


@functools.cache
def network():
    """Inputs, targets and start values of a 3-4-1 network with tanh: x, y, {path: array}."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(8, 3))
    y = np.sin(x.sum(axis=1, keepdims=True))
    start = {
        "0.weight": rng.normal(size=(3, 4)),
        "0.bias": rng.normal(size=4) * 0.1,
        "2.weight": rng.normal(size=(4, 1)),
        "2.bias": np.zeros(1),
    }
    return x, y, start


def torch_network_trace(rule):
    """theta, all leaves in a row, after the steps NETWORK_STEPS."""
    import torch

    x, y, start = network()
    x, y = torch.tensor(x), torch.tensor(y)
    leaves = [torch.tensor(v, requires_grad=True) for v in start.values()]
    optimizer = torch_optimizer(rule, leaves, lr=NETWORK_LR.get(RULES[rule][0], 1e-2))
    trace = []
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        w1, b1, w2, b2 = leaves
        out = torch.tanh(x @ w1 + b1) @ w2 + b2
        torch.nn.functional.mse_loss(out, y).backward()
        optimizer.step()
        if step in NETWORK_STEPS:
            trace.append(np.concatenate([v.detach().numpy().ravel() for v in leaves]))
    return np.stack(trace)


def tree_start():
    """Start of all problems in one tree, so that one run of a rule goes through all of them."""
    return {
        **{problem: np.asarray(start) for problem, (_, start) in PROBLEMS.items()},
        **{path: value.copy() for path, value in network()[2].items()},
    }


def tree_gradients(tree, step):
    """The gradients of :func:`tree_start`'s problems at a tree of NumPy arrays; ``step`` counts from 1."""
    grads = {problem: gradient(tree[problem], step) for problem, (gradient, _) in PROBLEMS.items()}
    x, y, _ = network()
    hidden = np.tanh(x @ tree["0.weight"] + tree["0.bias"])
    delta = 2 * (hidden @ tree["2.weight"] + tree["2.bias"] - y) / y.size
    before = (delta @ tree["2.weight"].T) * (1 - hidden**2)
    grads |= {"2.weight": hidden.T @ delta, "2.bias": delta.sum(axis=0)}
    return grads | {"0.weight": x.T @ before, "0.bias": before.sum(axis=0)}


def clip_inputs():
    """(gradients, max_norm) of each case."""
    rng = np.random.default_rng(3)
    small, large = [rng.normal(size=(2, 3)) * s for s in (0.01, 10.0)]
    return [([large, large[0]], 1.0), ([small, small[0]], 1.0), ([large], 0.25), ([np.zeros(3), large], 5.0)]


def torch_clipped(grads, max_norm):
    import torch

    params = [torch.zeros(g.shape, dtype=torch.float64) for g in grads]
    for p, g in zip(params, grads, strict=True):
        p.grad = torch.tensor(g)
    norm = torch.nn.utils.clip_grad_norm_(params, max_norm).item()
    return norm, [p.grad.numpy() for p in params]


def make_optimizers():
    with torch_in_float64():
        arrays = {f"{rule} | {problem}": torch_trace(rule, problem) for rule in RULES for problem in PROBLEMS}
        arrays |= {f"{rule} | network": torch_network_trace(rule) for rule in NETWORK_RULES}
    for i, (grads, max_norm) in enumerate(clip_inputs()):
        norm, clipped = torch_clipped(grads, max_norm)
        arrays[f"clip {i}"] = np.concatenate([[norm], *(c.ravel() for c in clipped)])
    return {"about": np.asarray(json.dumps({"versions": versions("torch")})), **arrays}


# Schedules, by PyTorch

TOTALS = (1, 2, 3, 4, 5, 7, 10, 20, 50)
PCT_STARTS = tuple(k / 10 for k in range(11))
STRATEGIES = ("cos", "linear")
COSINES = ((0.1, 1, 0.0), (0.1, 2, 0.01), (1.0, 7, 0.0), (3e-3, 100, 1e-5))


def torch_schedule(make, lr, steps):
    """The learning rates of ``steps`` steps; ``None`` where PyTorch divides by zero."""
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1)], lr=lr)
    try:
        schedule = make(optimizer)
        rates = [schedule.get_last_lr()[0]]
        for _ in range(steps - 1):
            optimizer.step()
            schedule.step()
            rates.append(schedule.get_last_lr()[0])
    except ZeroDivisionError:
        return None
    return rates


def torch_onecycle(
    total, pct_start, strategy, three_phase, max_lr=0.1, div_factor=20.0, final_div_factor=1e3
):
    from torch.optim.lr_scheduler import OneCycleLR

    def make(optimizer):
        return OneCycleLR(
            optimizer,
            max_lr,
            total_steps=total,
            pct_start=pct_start,
            anneal_strategy=strategy,
            cycle_momentum=False,
            div_factor=div_factor,
            final_div_factor=final_div_factor,
            three_phase=three_phase,
        )

    return torch_schedule(make, max_lr, total)


def torch_cosine(lr, total, min_lr):
    """PyTorch's closed form at the steps 0 to T; its step by step form adds up rounding."""
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1)], lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total, eta_min=min_lr)
    rates = []
    for t in range(total + 1):
        schedule.last_epoch = t
        rates.append(schedule._get_closed_form_lr()[0])
    return rates


#: name of the case: (class, options, steps); each of the options of learnkit's is at the same value.
TORCH_SCHEDULES = {
    "step": ("StepLR", {"step_size": 7, "gamma": 0.3}, 40),
    "multistep": ("MultiStepLR", {"milestones": [5, 11, 11, 20], "gamma": 0.5}, 40),
    "exponential": ("ExponentialLR", {"gamma": 0.9}, 40),
    "polynomial": ("PolynomialLR", {"total_iters": 30, "power": 2.5}, 40),
    "linear": ("LinearLR", {"start_factor": 1.0, "end_factor": 0.2, "total_iters": 25}, 40),
    "warmup": ("LinearLR", {"start_factor": 1 / 3, "total_iters": 8}, 20),
    "restarts": ("CosineAnnealingWarmRestarts", {"T_0": 5, "T_mult": 1, "eta_min": 0.01}, 40),
    "restarts 2": ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2}, 100),
    "restarts 3": ("CosineAnnealingWarmRestarts", {"T_0": 2, "T_mult": 3, "eta_min": 1e-3}, 300),
    "triangular": ("CyclicLR", {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 5}, 40),
    "triangular2": (
        "CyclicLR",
        {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 4, "step_size_down": 7, "mode": "triangular2"},
        60,
    ),
    "exp_range": (
        "CyclicLR",
        {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 6, "mode": "exp_range", "gamma": 0.97},
        60,
    ),
    "one cycle": ("OneCycleLR", {"max_lr": 1.0, "total_steps": 40}, 40),
    "one cycle, three phases": ("OneCycleLR", {"max_lr": 1.0, "total_steps": 40, "three_phase": True}, 40),
}
#: losses that ReduceLROnPlateau is shown, and the options of the cases.
PLATEAU_LOSSES = [
    1.0,
    0.9,
    0.9,
    0.9,
    0.9,
    0.89995,
    0.5,
    float("nan"),
    0.6,
    0.6,
    0.6,
    0.6,
    0.6,
    0.4,
    *[0.4] * 16,
]
PLATEAUS = (
    {"patience": 2},
    {"patience": 0, "factor": 0.5, "min_lr": 0.05},
    {"patience": 1, "cooldown": 2, "threshold": 0.01},
    {"patience": 2, "threshold_mode": "abs", "threshold": 0.05, "factor": 0.3},
    {"patience": 3, "mode": "max", "cooldown": 1},
)


def torch_hyperparameters(name, options, steps, lr=1.0):
    """Learning rates and momenta of ``steps`` steps, an array (2, steps)."""
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1)], lr=lr, momentum=0.5)
    schedule = getattr(torch.optim.lr_scheduler, name)(optimizer, **options)
    found = []
    for _ in range(steps):
        found.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
        optimizer.step()
        if len(found) < steps:
            schedule.step()
    return np.asarray(found).T


def torch_plateau(options, losses, lr=1.0):
    """The learning rate after each of the losses."""
    import torch

    optimizer = torch.optim.SGD([torch.zeros(1)], lr=lr)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
    rates = []
    for loss in losses:
        schedule.step(loss)
        rates.append(optimizer.param_groups[0]["lr"])
    return np.asarray(rates)


def make_schedules():
    shape = (len(TOTALS), len(PCT_STARTS), len(STRATEGIES), 2, max(TOTALS))
    onecycle = np.full(shape, np.nan)
    for i, total in enumerate(TOTALS):
        for j, pct_start in enumerate(PCT_STARTS):
            for k, strategy in enumerate(STRATEGIES):
                for three_phase in (False, True):
                    rates = torch_onecycle(total, pct_start, strategy, three_phase)
                    if rates is not None:
                        onecycle[i, j, k, int(three_phase), :total] = rates
    return {
        "about": np.asarray(json.dumps({"versions": versions("torch")})),
        "onecycle": onecycle,
        **{f"cosine {i}": np.asarray(torch_cosine(*case)) for i, case in enumerate(COSINES)},
        **{f"torch {name}": torch_hyperparameters(*case) for name, case in TORCH_SCHEDULES.items()},
        **{f"plateau {i}": torch_plateau(options, PLATEAU_LOSSES) for i, options in enumerate(PLATEAUS)},
    }


MAKERS = {
    "losses": make_losses,
    "optimizers": make_optimizers,
    "schedules": make_schedules,
}


def main(names):
    for name in names or MAKERS:
        made = MAKERS[name]()
        if isinstance(next(iter(made.values())), np.ndarray):
            np.savez_compressed(HERE / f"{name}.npz", **made)
        else:
            (HERE / f"{name}.json").write_text(json.dumps(made, indent=1) + "\n")
        print(f"wrote {name}")


if __name__ == "__main__":
    main(sys.argv[1:])
