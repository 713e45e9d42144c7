"""Optimizers on JAX's arrays, against optax, in float64."""

from __future__ import annotations

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="jax is not installed")

from learnkit.optim import SGD, Adam, AdamW, ClipByGlobalNorm, chain  # noqa: E402

RULES = {
    "sgd": (SGD(0.05), lambda o: o.sgd(0.05)),
    "sgd momentum": (SGD(0.05, momentum=0.9), lambda o: o.sgd(0.05, momentum=0.9)),
    "sgd nesterov": (
        SGD(0.05, momentum=0.9, nesterov=True),
        lambda o: o.sgd(0.05, momentum=0.9, nesterov=True),
    ),
    "adam": (Adam(0.01), lambda o: o.adam(0.01)),
    "adam betas and eps": (Adam(0.01, (0.8, 0.95), 1e-6), lambda o: o.adam(0.01, 0.8, 0.95, 1e-6)),
    "adamw": (AdamW(0.01, weight_decay=0.1), lambda o: o.adamw(0.01, weight_decay=0.1)),
    "clipped": (
        chain(ClipByGlobalNorm(0.5), AdamW(0.01)),
        lambda o: o.chain(o.clip_by_global_norm(0.5), o.adamw(0.01, weight_decay=0.01)),
    ),
}


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def inputs(dtype="float64"):
    rng = np.random.default_rng(6)
    params = {
        "w": jax.numpy.asarray(rng.normal(size=(3, 2)), dtype),
        "b": jax.numpy.asarray(rng.normal(size=2), dtype),
    }
    grads = [
        {
            k: jax.numpy.asarray(rng.normal(size=p.shape) * 10.0 ** (s % 9 - 7), dtype)
            for k, p in params.items()
        }
        for s in range(60)
    ]
    return params, grads


@pytest.mark.parametrize("rule", RULES)
def test_traces_equal_those_of_optax(rule):
    """60 steps with gradients of all sizes, to 1e-12."""
    optax = pytest.importorskip("optax", reason="optax is not installed")
    ours, make = RULES[rule]
    theirs = make(optax)
    params, gradients = inputs()
    other = params
    state, their_state = ours.init(params), theirs.init(other)
    for grads in gradients:
        params, state = ours.apply(params, grads, state)
        updates, their_state = theirs.update(grads, their_state, other)
        other = optax.apply_updates(other, updates)
    for k in params:
        np.testing.assert_allclose(params[k], other[k], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", RULES)
def test_arrays_of_jax_stay_what_they_are(rule, dtype):
    params, gradients = inputs(dtype)
    state = RULES[rule][0].init(params)
    new, state = RULES[rule][0].apply(params, gradients[0], state)
    arrays = [*new.values(), *(a for slot in state.slots.values() for a in slot)]
    for array in arrays:
        assert isinstance(array, jax.Array)
        assert array.dtype == dtype


def test_apply_can_be_compiled():
    """A fixed step under ``jax.jit`` gives the numbers of the plain call."""
    rule = AdamW(0.01)
    params, gradients = inputs()
    state = rule.init(params)

    def step(params, grads, slots):
        new, after = rule.apply(params, grads, type(state)(0, slots))
        return new, after.slots

    plain, _ = step(params, gradients[8], state.slots)
    compiled, _ = jax.jit(step)(params, gradients[8], state.slots)
    for k in params:
        np.testing.assert_allclose(compiled[k], plain[k], rtol=1e-12)
