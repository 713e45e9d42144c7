"""Transforms and L-BFGS against PyTorch, Optax and Keras' formulas, over 200 steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from learnkit.optim import (  # noqa: E402
    EMA,
    LBFGS,
    SAM,
    SGD,
    SWA,
    Accumulate,
    Adam,
    AdamW,
    AdaptiveClip,
    Centralize,
    ClipByGlobalNorm,
    ClipByNorm,
    ClipByValue,
    GradientNoise,
    Lookahead,
    SkipNonFinite,
    WeightDecay,
    chain,
    groups,
    no_decay,
)
from learnkit.schedules import Schedule  # noqa: E402

STEPS = 200
SHAPES = {"a": (3, 4), "b": (4,), "c": (2, 3, 2, 2)}


def start():
    rng = np.random.default_rng(0)
    return {k: rng.normal(size=s) for k, s in SHAPES.items()}


def gradients(steps=STEPS):
    """Of all sizes, from 1e-7 to 10, and sometimes zero."""
    rng = np.random.default_rng(1)
    for step in range(steps):
        size = 0.0 if step % 29 == 28 else 10.0 ** (step % 9 - 7)
        yield {k: size * rng.normal(size=s) for k, s in SHAPES.items()}


def ours(optimizer, evaluated=False):
    params = start()
    state = optimizer.init(params)
    for g in gradients():
        params, state = optimizer.apply(params, g, state)
    return optimizer.evaluation_params(params, state) if evaluated else params


def close(found, wanted, rtol=1e-12, atol=1e-13):
    for k in SHAPES:
        np.testing.assert_allclose(found[k], np.asarray(wanted[k]), rtol=rtol, atol=atol)


# PyTorch


def in_torch(make, before=None, after=None):
    """The end of a run of torch's own optimizer, with something done before and after each step."""
    params = {k: torch.nn.Parameter(torch.from_numpy(v.copy())) for k, v in start().items()}
    optimizer = make(params)
    for g in gradients():
        for k, p in params.items():
            p.grad = torch.from_numpy(g[k].copy())
        if before:
            before(list(params.values()))
        optimizer.step()
        if after:
            after(params)
    return {k: p.detach().numpy() for k, p in params.items()}


def sgd(params):
    return torch.optim.SGD(list(params.values()), lr=0.01, momentum=0.9)


def test_clipping():
    rule = SGD(0.01, momentum=0.9)
    value = in_torch(sgd, lambda ps: torch.nn.utils.clip_grad_value_(ps, 0.5))
    close(ours(chain(ClipByValue(0.5), rule)), value)

    def exact(ps):  # torch adds 1e-6 to the norm, ours does not
        norm = torch.nn.utils.get_total_norm([p.grad for p in ps])
        for p in ps:
            p.grad *= min(1.0, 0.5 / max(float(norm), 1e-30))

    close(ours(chain(ClipByGlobalNorm(0.5), rule)), in_torch(sgd, exact))

    def leafwise(ps):
        for p in ps:
            p.grad *= min(1.0, 0.5 / max(float(p.grad.norm()), 1e-30))

    close(ours(chain(ClipByNorm(0.5), rule)), in_torch(sgd, leafwise))


def test_weight_decay_of_some_parameters():
    """As groups of our rule, as a transform before Adam, and as torch's parameter groups: all the same."""

    def grouped(params):
        return torch.optim.AdamW(
            [
                {"params": [params["a"], params["c"]], "weight_decay": 0.1},
                {"params": [params["b"]], "weight_decay": 0.0},
            ],
            lr=0.01,
        )

    wanted = in_torch(grouped)
    close(ours(no_decay(AdamW(0.01, weight_decay=0.1))), wanted)
    close(ours(groups(AdamW(0.01, weight_decay=0.1), {"b": {"weight_decay": 0.0}})), wanted)
    close(ours(chain(WeightDecay(0.1, mask="matrix"), Adam(0.01))), wanted, atol=1e-12)


def test_groups_with_learning_rates_of_their_own_and_frozen_ones():
    def grouped(params):
        params["c"].requires_grad_(False)
        return torch.optim.SGD(
            [
                {"params": [params["a"]], "lr": 0.001, "momentum": 0.5},
                {"params": [params["b"]]},
            ],
            lr=0.01,
            momentum=0.9,
        )

    optimizer = groups(SGD(0.01, momentum=0.9), {"a": {"lr": 0.001, "momentum": 0.5}, "c": None})
    close(ours(optimizer), in_torch(grouped))


@pytest.mark.parametrize("decay", [0.9, 0.999])
def test_exponential_average(decay):
    holder = {}

    def after(params):
        module = torch.nn.ParameterDict(params)
        if not holder:
            average = torch.optim.swa_utils.get_ema_multi_avg_fn(decay)
            holder["average"] = torch.optim.swa_utils.AveragedModel(module, multi_avg_fn=average)
        holder["average"].update_parameters(module)

    in_torch(sgd, after=after)
    wanted = {k: holder["average"].module[k].detach().numpy() for k in SHAPES}
    close(ours(chain(EMA(decay, warmup=False), SGD(0.01, momentum=0.9)), evaluated=True), wanted)


def test_stochastic_weight_average():
    holder, count = {}, [0]

    def after(params):
        count[0] += 1
        module = torch.nn.ParameterDict(params)
        if not holder:
            holder["average"] = torch.optim.swa_utils.AveragedModel(module)
        if count[0] > 120 and (count[0] - 121) % 5 == 0:
            holder["average"].update_parameters(module)

    in_torch(sgd, after=after)
    wanted = {k: holder["average"].module[k].detach().numpy() for k in SHAPES}
    close(ours(chain(SWA(120, every=5), SGD(0.01, momentum=0.9)), evaluated=True), wanted)


@pytest.mark.parametrize("anneal", [0, 5])
def test_learning_rate_of_weight_averaging(anneal):
    """Torch's SWALR, which takes over from another schedule and reaches its own rate after some steps."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    swa = torch.optim.swa_utils.SWALR(optimizer, swa_lr=0.02, anneal_epochs=anneal, anneal_strategy="cos")
    theirs = []
    for _ in range(10):
        optimizer.step()
        swa.step()
        theirs.append(optimizer.param_groups[0]["lr"])
    rule = chain(SWA(3, lr=0.02, anneal_steps=anneal), SGD(0.1))
    assert [rule.lr_at(t) for t in range(3)] == [0.1] * 3
    np.testing.assert_allclose([rule.lr_at(3 + t) for t in range(10)], theirs, rtol=1e-12)


@dataclass(frozen=True)
class Drop(Schedule):
    """A tenth from update 33 on."""

    lr: float

    def __call__(self, step):
        return self.lr if step < 33 else self.lr / 10


def rosenbrock(w):
    return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2


def rosenbrock_gradient(w):
    x, y = w
    return np.asarray([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])


rng = np.random.default_rng(3)
X, LABELS = rng.normal(size=(60, 4)), (rng.uniform(size=60) < 0.5).astype(float)


def logistic(w):
    z = X @ w[:4] + w[4]
    return np.mean(np.logaddexp(0, z) - LABELS * z) + 0.01 * w @ w


def logistic_gradient(w):
    z = X @ w[:4] + w[4]
    error = (1 / (1 + np.exp(-z)) - LABELS) / len(LABELS)
    return np.concatenate([X.T @ error, [error.sum()]]) + 0.02 * w


PROBLEMS = {
    "rosenbrock": (rosenbrock, rosenbrock_gradient, [-1.5, 2.0]),
    "logistic": (logistic, logistic_gradient, [1.0, -2.0, 0.5, 3.0, 0.0]),
}


@pytest.mark.parametrize(
    "options",
    [
        {"line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "max_iter": 4, "history_size": 3},
        {"line_search_fn": "strong_wolfe", "max_iter": 3, "max_eval": 5, "lr": 0.5},
        {"lr": 1e-3, "max_iter": 5, "history_size": 2},
        {"lr": 1e-3, "max_iter": 1},
    ],
)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_lbfgs_takes_the_steps_of_pytorch(problem, options):
    """Iterates, values, and evaluations, step after step."""
    value, gradient, at = PROBLEMS[problem]
    theirs = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([theirs], **options)
    calls = {"ours": 0, "theirs": 0}

    def closure():
        calls["theirs"] += 1
        w = theirs.detach().numpy()
        theirs.grad = torch.from_numpy(gradient(w))
        return torch.tensor(value(w), dtype=torch.float64)

    def value_and_grad(params):
        calls["ours"] += 1
        w = np.concatenate([params["u"].ravel(), params["v"]])
        g = gradient(w)
        return np.asarray(value(w)), {"u": g[:1].reshape(1, 1), "v": g[1:]}

    rule = LBFGS(**options)
    params = {"u": np.asarray([[at[0]]]), "v": np.asarray(at[1:])}
    state = rule.init(params)
    many = options.get("history_size", 100) > 3
    for step in range(12 if many else 6):
        before = optimizer.step(closure)
        found, params, state = rule.step_with(value_and_grad, params, state)
        w = np.concatenate([params["u"].ravel(), params["v"]])
        # Rounding grows along the curved valley with little memory; it is not a difference of the method.
        rtol = 1e-10 if step < 5 or many else 1e-7
        np.testing.assert_allclose(w, theirs.detach().numpy(), rtol=rtol, atol=1e-10, err_msg=f"step {step}")
        np.testing.assert_allclose(found, before.item(), rtol=rtol, atol=1e-13)
        assert calls["ours"] == calls["theirs"]
    if "line_search_fn" in options and len(options) == 1:
        assert np.abs(gradient(w)).max() < 1e-3
    if options.get("max_iter") == 1:  # then one gradient is enough
        rule, w = LBFGS(lr=1e-3), np.asarray(at)
        state = rule.init(w)
        for _ in range(12):
            w, state = rule.apply(w, gradient(w), state)
        np.testing.assert_allclose(w, theirs.detach().numpy(), rtol=1e-10)


# Optax


@pytest.fixture(scope="module")
def optax():
    jax = pytest.importorskip("jax", reason="jax is not installed")
    found = pytest.importorskip("optax", reason="optax is not installed")
    jax.config.update("jax_enable_x64", True)
    yield found
    jax.config.update("jax_enable_x64", False)


def stepping(optax, transformation):
    """A step as one compiled function."""
    import jax

    @jax.jit
    def step(params, g, state):
        updates, state = transformation.update(g, state, params)
        return optax.apply_updates(params, updates), state

    return step


def in_optax(optax, transformation, steps=None):
    params = {k: np.asarray(v) for k, v in start().items()}
    state = transformation.init(params)
    step = stepping(optax, transformation)
    for g in gradients() if steps is None else steps:
        params, state = step(params, g, state)
    return params


def test_transforms_of_optax(optax):
    rule, theirs = SGD(0.01, momentum=0.9), optax.sgd(0.01, momentum=0.9)
    for transform, other in (
        (ClipByGlobalNorm(0.5), optax.clip_by_global_norm(0.5)),
        (ClipByValue(0.5), optax.clip(0.5)),
        (AdaptiveClip(0.01), optax.adaptive_grad_clip(0.01)),
        (Centralize(unit_axis=0), optax.contrib.centralize() if hasattr(optax.contrib, "centralize")
         else optax.centralize()),
        (WeightDecay(0.1, decoupled=False, mask="matrix"),
         optax.add_decayed_weights(0.1, mask={k: len(s) >= 2 for k, s in SHAPES.items()})),
    ):  # fmt: skip
        close(ours(chain(transform, rule)), in_optax(optax, optax.chain(other, theirs)))


def test_masked_adamw_of_optax(optax):
    mask = {k: len(s) >= 2 for k, s in SHAPES.items()}
    wanted = in_optax(optax, optax.adamw(0.01, weight_decay=0.1, mask=mask))
    close(ours(no_decay(AdamW(0.01, weight_decay=0.1))), wanted)


def test_accumulation_counts_updates_as_multisteps_does(optax):
    """Over 198 batches of equal size, with a schedule that counts updates."""
    import jax.numpy as jnp

    steps = list(gradients(198))

    def rate(t):
        return jnp.where(t < 33, jnp.asarray(0.01, jnp.float64), jnp.asarray(0.001, jnp.float64))

    theirs = optax.MultiSteps(optax.adam(rate), every_k_schedule=3, accumulator_dtype=jnp.float64)
    wanted = in_optax(optax, theirs, steps)
    optimizer = chain(Accumulate(3), Adam(Drop(0.01)))
    params = start()
    state = optimizer.init(params)
    for g in steps:
        params, state = optimizer.apply(params, g, state)
    assert state.step == 66
    close(params, wanted)


def test_lookahead_of_optax(optax):
    fast = optax.sgd(0.01, momentum=0.9)
    theirs = optax.lookahead(fast, sync_period=6, slow_step_size=0.4)
    params = optax.LookaheadParams.init_synced(start())
    state = theirs.init(params)
    step = stepping(optax, theirs)
    for g in gradients():
        params, state = step(params, g, state)
    optimizer = chain(Lookahead(6, 0.4), SGD(0.01, momentum=0.9))
    close(ours(optimizer), params.fast)
    close(ours(optimizer, evaluated=True), params.slow)


def test_steps_that_are_not_finite_as_apply_if_finite(optax):
    """With a rule that does not count steps; ours counts those left out too."""
    steps = list(gradients())
    for i in range(3, STEPS, 7):
        steps[i]["b"][i % 4] = (np.nan, np.inf)[i % 2]
    theirs = optax.apply_if_finite(optax.sgd(0.01, momentum=0.9), max_consecutive_errors=5)
    wanted = in_optax(optax, theirs, steps)
    optimizer = chain(SkipNonFinite(5), SGD(0.01, momentum=0.9))
    params = start()
    state = optimizer.init(params)
    for g in steps:
        params, state = optimizer.apply(params, g, state)
    close(params, wanted)
    assert int(state.slots["0.skipped"][0]) == len(range(3, STEPS, 7))


def test_sam_of_optax(optax):
    """Optax takes the two gradients in turn: its step of the adversary, then that of the optimizer."""
    rho = 0.1
    sam = optax.contrib.sam(
        optax.sgd(0.001, momentum=0.9), optax.chain(optax.contrib.normalize(), optax.sgd(rho)), sync_period=2
    )
    params = np.asarray([50.0, -40.0])
    state, step = sam.init(params), stepping(optax, sam)
    optimizer = chain(SAM(rho), SGD(0.001, momentum=0.9))
    w, own = params, optimizer.init(params)
    a = np.asarray([[3.0, 1.0], [1.0, 2.0]])
    for _ in range(STEPS):
        for _ in range(2):
            params, state = step(params, a @ np.asarray(params), state)
        _, w, own = optimizer.step_with(lambda w: (w @ a @ w / 2, a @ w), w, own)
    np.testing.assert_allclose(w, np.asarray(params), rtol=1e-12, atol=1e-12)


def test_noise_has_the_variances_of_optax(optax):
    noise = optax.add_noise(0.3, 0.55, 0)
    zeros = {"w": np.zeros(50_000)}
    state = noise.init(zeros)
    optimizer = chain(GradientNoise(0.3, 0.55), SGD(1.0))
    w, own = np.zeros(50_000), optimizer.init(np.zeros(50_000))
    for _ in range(5):
        theirs, state = noise.update(zeros, state)
        new, own = optimizer.apply(w, np.zeros(50_000), own)
        assert (new - w).var() == pytest.approx(float(theirs["w"].var()), rel=0.03)
        w = new
