"""Transforms: one row each in ``TRANSFORMS``, with its equation in plain NumPy; one test a property."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from learnkit.backends import get_backend
from learnkit.backends.layout import Layout
from learnkit.errors import ArgumentError, GradientError
from learnkit.optim import (
    EMA,
    L1,
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
    LossScale,
    Moment,
    SkipNonFinite,
    Transform,
    WeightDecay,
    chain,
    global_norm,
    groups,
)
from learnkit.optim.engine import BLOCK, averaged, init_state, update_in_place
from learnkit.plugins import registry
from learnkit.schedules import Constant, Cosine
from learnkit.testing.matrix import BackendUnderTest

SHAPES = {"0.bias": (4,), "0.weight": (3, 4), "1.scale": (), "1.weight": (2, 1, 2)}
LAYOUT = Layout(tuple(SHAPES), tuple(SHAPES.values()))
LR, MOMENTUM, STEPS = 0.1, 0.9, 8


class Literal:
    """A transform written out again: gradients before the rule, parameters after it, and what to evaluate."""

    def before(self, grads, params, t):
        return grads

    def after(self, old, new, t):
        return new

    def average(self, params):
        return params


def mapped(function):
    """A literal transform of gradients alone."""

    class Mapped(Literal):
        def before(self, grads, params, t):
            return function(grads, params, t)

    return Mapped


def each(function):
    return mapped(lambda grads, params, t: [function(g, p) for g, p in zip(grads, params, strict=True)])


def unit_norms(x, axis):
    axes = tuple(range(x.ndim)) if sum(n > 1 for n in x.shape) <= 1 else tuple(
        i for i in range(x.ndim) if i != axis % x.ndim
    )  # fmt: skip
    return np.sqrt((x**2).sum(axis=axes, keepdims=True))


def agc(g, p, clipping=0.05, eps=1e-3, axis=-1):
    bound = clipping * np.maximum(unit_norms(p, axis), eps)
    norm = unit_norms(g, axis)
    return np.where(norm < bound, g, g * bound / np.maximum(norm, 1e-6))


def centred(g, axis):
    axes = tuple(i for i in range(g.ndim) if i != axis % g.ndim)
    return g if g.ndim < 2 else g - g.mean(axis=axes, keepdims=True)


def on_matrices(function):
    return lambda a, p: function(a, p) if p.ndim >= 2 else a


class Decay(Literal):
    def __init__(self, rate, chosen):
        self.rate, self.chosen = rate, chosen

    def after(self, old, new, t):
        return [n - LR * self.rate * o if self.chosen(o) else n for o, n in zip(old, new, strict=True)]


class Averaged(Literal):
    """``share(t)`` of the newest weights; ``None`` leaves the average alone."""

    def __init__(self, share):
        self.share, self.kept, self.start = share, None, None

    def after(self, old, new, t):
        if self.start is None:
            self.start = old
            self.kept = old
        share = self.share(t)
        if share is not None:
            self.kept = [(1 - share) * a + share * p for a, p in zip(self.kept, new, strict=True)]
        return new

    def average(self, params):
        return self.kept


class Slow(Literal):
    def __init__(self, k, alpha):
        self.k, self.alpha, self.slow = k, alpha, None

    def after(self, old, new, t):
        self.slow = old if self.slow is None else self.slow
        if t % self.k:
            return new
        self.slow = [s + self.alpha * (n - s) for s, n in zip(self.slow, new, strict=True)]
        return self.slow

    def average(self, params):
        return self.slow


def noise(grads, params, t):
    zeros = [np.zeros_like(g) for g in grads]
    drawn, _ = GradientNoise(0.5, 0.6, seed=3).update(zeros, zeros, {}, Moment(t, LR, LAYOUT, False))
    return [g + n for g, n in zip(grads, drawn, strict=True)]


def ema(t):
    return 1 - min(0.5, (1 + t) / (10 + t))


# name of the row: transform, its equation. The first word is the registered name.
TRANSFORMS = {
    "clip_by_global_norm": (
        ClipByGlobalNorm(2.0),
        mapped(lambda gs, ps, t: [g * min(1.0, 2.0 / np.sqrt(sum((g * g).sum() for g in gs))) for g in gs]),
    ),
    "clip_by_global_norm zero": (
        ClipByGlobalNorm(2.0, on_nonfinite="zero"),
        mapped(lambda gs, ps, t: [g * min(1.0, 2.0 / np.sqrt(sum((g * g).sum() for g in gs))) for g in gs]),
    ),
    "clip_by_global_norm skip": (
        ClipByGlobalNorm(2.0, on_nonfinite="skip"),
        mapped(lambda gs, ps, t: [g * min(1.0, 2.0 / np.sqrt(sum((g * g).sum() for g in gs))) for g in gs]),
    ),
    "clip_by_value": (ClipByValue(0.5), each(lambda g, p: np.minimum(np.maximum(g, -0.5), 0.5))),
    "clip_by_norm": (ClipByNorm(0.7), each(lambda g, p: g * min(1.0, 0.7 / np.sqrt((g * g).sum())))),
    "adaptive_clip": (AdaptiveClip(0.05), each(agc)),
    "agc": (AdaptiveClip(0.05, eps=1.0, unit_axis=0), each(lambda g, p: agc(g, p, eps=1.0, axis=0))),
    "weight_decay": (WeightDecay(0.2), lambda: Decay(0.2, lambda p: True)),
    "weight_decay matrix": (WeightDecay(0.2, mask="matrix"), lambda: Decay(0.2, lambda p: p.ndim >= 2)),
    "weight_decay l2": (WeightDecay(0.2, decoupled=False), each(lambda g, p: g + 0.2 * p)),
    "weight_decay l2 of some": (
        WeightDecay(0.2, decoupled=False, mask=["*.weight"]),
        each(on_matrices(lambda g, p: g + 0.2 * p)),
    ),
    "l1": (L1(0.3), each(lambda g, p: g + 0.3 * np.sign(p))),
    "l1 of some": (L1(0.3, mask="ndim<2"), each(lambda g, p: g + 0.3 * np.sign(p) if p.ndim < 2 else g)),
    "centralize": (Centralize(), each(lambda g, p: centred(g, -1))),
    "centralize first axis": (Centralize(unit_axis=0), each(lambda g, p: centred(g, 0))),
    "gradient_noise": (GradientNoise(0.5, 0.6, seed=3), mapped(noise)),
    "skip_nonfinite": (SkipNonFinite(), Literal),
    "loss_scale": (LossScale(8.0), each(lambda g, p: g / 8)),
    "loss_scale static": (LossScale(8.0, dynamic=False), each(lambda g, p: g / 8)),
    "ema": (EMA(0.5), lambda: Averaged(ema)),
    "ema without warm-up": (EMA(0.8, warmup=False), lambda: Averaged(lambda t: 1.0 if t == 1 else 1 - 0.8)),
    "swa": (SWA(2), lambda: Averaged(lambda t: 1 / (t - 2) if t > 2 else None)),
    "swa every second": (
        SWA(3, every=2),
        lambda: Averaged(lambda t: 1 / ((t - 4) // 2 + 1) if t > 3 and t % 2 == 0 else None),
    ),
    "lookahead": (Lookahead(3, 0.4), lambda: Slow(3, 0.4)),
    # Those whose equation is not of this form have tests of their own.
    "accumulate": (Accumulate(1), Literal),
    "sam": (SAM(0.05), Literal),
}  # fmt: skip
SIZES = (0.01, 1.0, 1e6)


def problem(size=1.0, steps=STEPS):
    """Start and gradients, in plain NumPy."""
    rng = np.random.default_rng(1)
    start = {path: rng.normal(size=shape) for path, shape in SHAPES.items()}
    grads = [{path: size * rng.normal(size=shape) for path, shape in SHAPES.items()} for _ in range(steps)]
    return start, grads


def literally(literal, start, grads):
    """Parameters, and what to evaluate, after SGD with momentum within the transform, leaf by leaf."""
    params, velocity = list(start.values()), [0.0] * len(start)
    for t, gradient in enumerate(grads, 1):
        given = literal.before(list(gradient.values()), params, t)
        velocity = [MOMENTUM * v + g for v, g in zip(velocity, given, strict=True)]
        new = [p - LR * v for p, v in zip(params, velocity, strict=True)]
        params = literal.after(params, new, t)
    return params, literal.average(params)


def on_device(backend, tree, dtype):
    return {path: backend.asarray(np.asarray(a), dtype) for path, a in tree.items()}


def flat(tree):
    return np.concatenate([np.asarray(a).ravel() for a in tree.values()])


def test_every_registered_transform_has_a_row():
    assert {row.split()[0] for row in TRANSFORMS} == set(registry.names("transform", third_party=False))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("row", TRANSFORMS)
def test_leaf_by_leaf(backend, row, size):
    """Parameters and average are those of the equation, without a wait; what is given is left alone."""
    transform, literal = TRANSFORMS[row]
    start, grads = problem(size)
    wanted, evaluated = literally(literal(), start, grads)
    for dtype, rtol in (("float64", 1e-12), ("float32", 2e-5)):
        if dtype == "float32" and isinstance(transform, GradientNoise):
            continue  # other bits of the same stream
        optimizer = chain(transform, SGD(LR, momentum=MOMENTUM))
        params = on_device(backend, start, dtype)
        given = [on_device(backend, g, dtype) for g in grads]
        with backend.no_sync():
            state = optimizer.init(params)
            new = params
            for g in given:
                new, state = optimizer.apply(new, g, state)
            average = optimizer.evaluation_params(new, state)
        scale = max(np.abs(a).max() for a in wanted)
        for path, want, want_average in zip(SHAPES, wanted, evaluated, strict=True):
            like = params[path]
            backend.assert_array(new[path], want, like=like, rtol=rtol, atol=rtol * scale)
            backend.assert_array(average[path], want_average, like=like, rtol=rtol, atol=rtol * scale)
            np.testing.assert_array_equal(backend.to_numpy(like), start[path].astype(dtype))
            np.testing.assert_array_equal(backend.to_numpy(given[0][path]), grads[0][path].astype(dtype))
        assert tuple(state.slots) == optimizer.slot_names()


@pytest.mark.parametrize("row", TRANSFORMS)
def test_on_the_vector_of_a_trainer(backend, row):
    """In place on theta: the same numbers; the gradient is left alone, and nothing waits."""
    transform, literal = TRANSFORMS[row]
    start, grads = problem()
    wanted, evaluated = literally(literal(), start, grads)
    optimizer = chain(transform, SGD(LR, momentum=MOMENTUM))
    theta = backend.asarray(flat(start), "float64")
    views = lambda vector: list(LAYOUT.views(vector).values())  # noqa: E731
    with backend.no_sync():
        state = init_state(optimizer, theta, LAYOUT)
        for g in grads:
            grad = backend.asarray(flat(g), "float64")
            update_in_place(optimizer, theta, grad, state, views=views, blocks=True)
        average = averaged(optimizer, theta, state, views=views)
    np.testing.assert_array_equal(backend.to_numpy(grad), flat(grads[-1]))
    backend.assert_array(theta, flat(dict(enumerate(wanted))), dtype="float64", rtol=1e-12, atol=1e-14)
    backend.assert_array(average, flat(dict(enumerate(evaluated))), dtype="float64", rtol=1e-12, atol=1e-14)
    assert state.step == STEPS


@pytest.mark.parametrize("row", TRANSFORMS)
def test_before_a_rule_that_needs_leaves(row):
    """Leaf by leaf in place gives what ``apply`` gives."""
    from learnkit.optim import LAMB

    optimizer = chain(TRANSFORMS[row][0], LAMB(0.01))
    start, grads = problem()
    views = lambda vector: list(LAYOUT.views(vector).values())  # noqa: E731
    theta = flat(start)
    state = init_state(optimizer, theta, LAYOUT)
    params, alone = dict(start), optimizer.init(start)
    for g in grads:
        update_in_place(optimizer, theta, flat(g), state, views=views)
        params, alone = optimizer.apply(params, g, alone)
    np.testing.assert_allclose(theta, flat(params), rtol=1e-13)
    for name in optimizer.slot_names():
        for a, b in zip(state.slots[name], alone.slots[name], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("row", TRANSFORMS)
def test_components_by_name(row):
    transform = TRANSFORMS[row][0]
    again = registry.create("transform", registry.describe(transform, "transform"))
    assert again == transform
    assert hash(again) == hash(transform)
    optimizer = chain(transform, Adam(0.1))
    assert registry.create("optimizer", registry.describe(optimizer, "optimizer")) == optimizer
    params, state = optimizer.apply([], [], optimizer.init([]))
    assert (params, state.step) == ([], 1)


@pytest.mark.parametrize("row", TRANSFORMS)
def test_twice_in_a_chain(row):
    """Each keeps its own state, under its own name."""
    transform = TRANSFORMS[row][0]
    if isinstance(transform, Accumulate):
        pytest.skip("stands in front, once")
    optimizer = chain(transform, ClipByValue(1e3), transform, SGD(LR))
    start, grads = problem()
    params, state = start, optimizer.init(start)
    for g in grads:
        params, state = optimizer.apply(params, g, state)
    assert all(np.isfinite(a).all() for a in params.values())
    assert len(set(optimizer.slot_names())) == len(optimizer.slot_names()) == 2 * len(transform.slots)


SCHEDULED = {
    "max_norm": lambda v: ClipByGlobalNorm(v),
    "max_value": lambda v: ClipByValue(v),
    "max_norm of a leaf": lambda v: ClipByNorm(v),
    "clipping": lambda v: AdaptiveClip(v),
    "eps": lambda v: AdaptiveClip(0.1, eps=v),
    "weight_decay": lambda v: WeightDecay(v),
    "l2": lambda v: WeightDecay(v, decoupled=False),
    "l1": lambda v: L1(v),
    "eta": lambda v: GradientNoise(v),
    "gamma": lambda v: GradientNoise(0.1, v),
    "decay": lambda v: EMA(v),
    "alpha": lambda v: Lookahead(2, v),
}


@pytest.mark.parametrize("name", SCHEDULED)
def test_hyper_parameters_can_be_scheduled(name):
    """A constant schedule gives the bits of the number, and a changing one acts."""
    start, grads = problem()
    found = []
    for value in (0.5, Constant(0.5), Cosine(0.5, min_lr=0.01)):
        optimizer = chain(SCHEDULED[name](value), SGD(LR)).resolve(STEPS)
        params, state = start, optimizer.init(start)
        for g in grads:
            params, state = optimizer.apply(params, g, state)
        found.append(flat(optimizer.evaluation_params(params, state)))
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


# Single transforms


def test_small_gradients_pass_with_every_bit(backend):
    grads = [backend.asarray(1e-3 * np.random.default_rng(0).normal(size=s)) for s in SHAPES.values()]
    for got, given in zip(ClipByGlobalNorm(1.0).transform(grads), grads, strict=True):
        np.testing.assert_array_equal(backend.to_numpy(got), backend.to_numpy(given))
    zeros = [backend.asarray(np.zeros(3))]
    for clip in (ClipByGlobalNorm(1.0), ClipByNorm(1.0), ClipByValue(1.0)):
        backend.assert_array(clip.transform(zeros)[0], np.zeros(3), rtol=0, atol=0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_norm_that_is_not_finite(backend, bad):
    """It stays so, or becomes a gradient of zero, or ends the step; the rule's momentum shows which."""
    good, wrong = backend.asarray([1.0, 0.5]), backend.asarray([bad, 1.0])
    ends = {}
    for how in ("keep", "zero", "skip"):
        optimizer = chain(ClipByGlobalNorm(10.0, on_nonfinite=how), SGD(1.0, momentum=0.5))
        w = backend.asarray([0.0, 0.0])
        state = optimizer.init(w)
        with backend.no_sync(), np.errstate(invalid="ignore"):
            for g in (good, wrong):
                w, state = optimizer.apply(w, g, state)
        ends[how] = backend.to_numpy(w)
    assert np.isnan(ends["keep"]).any()
    np.testing.assert_array_equal(ends["zero"], [-1.5, -0.75])
    np.testing.assert_array_equal(ends["skip"], [-1.0, -0.5])
    with pytest.raises(GradientError, match=r"ClipByGlobalNorm: the norm of the gradient is (nan|inf)"):
        ClipByGlobalNorm(1.0, on_nonfinite="raise").transform([wrong])
    assert np.isnan(backend.to_numpy(ClipByValue(1.0).transform([backend.asarray([np.nan])])[0])).all()


def test_the_norm_is_over_all_gradients_together(backend):
    grads = [backend.asarray([[3.0]]), backend.asarray([4.0]), backend.asarray(12.0)]
    backend.assert_array(global_norm(grads), 13.0, dtype="float32")


@pytest.mark.parametrize("where", [0, 1])
def test_steps_that_are_left_out(backend, where):
    """Nothing moves, not even an average or a velocity in front of it; the counts tell; nothing waits."""
    parts = [SkipNonFinite(), EMA(0.5), Lookahead(2), WeightDecay(0.1)]
    parts.insert(where, ClipByValue(5.0))
    name = parts.index(SkipNonFinite())
    optimizer = chain(*parts, Adam(0.1))
    w = backend.asarray([1.0, -2.0], "float64")
    wrong = [backend.asarray([np.nan, 1.0], "float64"), backend.asarray([1.0, 2.0], "float64")]
    with backend.no_sync():
        state = optimizer.init(w)
        w, state = optimizer.apply(w, wrong[1], state)
        before = copy.copy(state)
        new = w
        for _ in range(3):
            new, state = optimizer.apply(new, wrong[0], state)
    np.testing.assert_array_equal(backend.to_numpy(new), backend.to_numpy(w))
    for slot, arrays in state.slots.items():
        if slot.split(".")[0] != str(name):
            for a, b in zip(arrays, before.slots[slot], strict=True):
                np.testing.assert_array_equal(backend.to_numpy(a), backend.to_numpy(b))
    counts = {k: int(backend.to_numpy(state.slots[f"{name}.{k}"][0])) for k in ("skipped", "consecutive")}
    assert counts == {"skipped": 3, "consecutive": 3}
    new, state = optimizer.apply(new, wrong[1], state)
    assert int(backend.to_numpy(state.slots[f"{name}.consecutive"][0])) == 0
    assert np.isfinite(backend.to_numpy(new)).all()
    # and the same in place, on the vector
    theta = backend.asarray([1.0, -2.0], "float64")
    state = init_state(optimizer, theta, Layout(("w",), ((2,),)))
    with backend.no_sync():
        for g in (wrong[1], wrong[0], wrong[0], wrong[0], wrong[1]):
            update_in_place(optimizer, theta, g, state, blocks=True)
    np.testing.assert_allclose(backend.to_numpy(theta), backend.to_numpy(new), rtol=1e-13)


def test_too_many_in_a_row_are_let_through():
    optimizer = chain(SkipNonFinite(max_consecutive=1), SGD(1.0))
    w, state = np.asarray([1.0]), optimizer.init(np.asarray([1.0]))
    w, state = optimizer.apply(w, np.asarray([np.nan]), state)
    assert w[0] == 1.0
    w, state = optimizer.apply(w, np.asarray([np.nan]), state)
    assert np.isnan(w[0])
    assert int(state.slots["0.skipped"][0]) == 1


def test_the_loss_scale_falls_at_once_and_grows_after_a_while(backend):
    optimizer = chain(LossScale(1024.0, growth_interval=3), SGD(1.0))
    w = backend.asarray([1.0])
    state, scales = optimizer.init(w), []
    with backend.no_sync():
        for good in (True, False, False, True, True, True, True, True, True):
            scale = optimizer.loss_scale(state)
            g = backend.asarray([1.0 if good else np.inf]) * backend.xp.reshape(scale, (1,))
            w, state = optimizer.apply(w, g, state)
            scales.append(optimizer.loss_scale(state))
    assert [float(backend.to_numpy(s)) for s in scales] == [1024, 512, 256, 256, 256, 512, 512, 512, 1024]
    backend.assert_array(w, [-6.0], dtype="float32")


def test_half_precision_gradients_of_single_precision_weights():
    """Scaled gradients that float16 holds arrive exactly, though unscaled they would be zero in it."""
    optimizer = chain(LossScale(65536.0), SGD(1.0))
    w, tiny = np.zeros(1, "float32"), 2.0**-30
    scaled = np.asarray([tiny * 65536.0], "float16")
    assert np.float16(tiny) == 0
    new, _ = optimizer.apply(w, scaled, optimizer.init(w))
    assert new.dtype == "float32"
    assert new[0] == -np.float32(tiny)


def test_accumulated_batches_make_the_update_of_the_whole(backend):
    """Weighted by samples, whatever the pieces; momentum, schedules and clipping see updates only."""
    rng = np.random.default_rng(5)
    samples = rng.normal(size=(3, 20, 2))  # three updates, each of twenty gradients of single samples
    inner = (ClipByGlobalNorm(0.3), Adam(Cosine(0.1, total_steps=3)))
    whole, gathered = chain(*inner), chain(Accumulate(4), *inner)
    w = backend.asarray([1.0, 2.0], "float64")
    v, state, other = w, whole.init(w), gathered.init(w)
    with backend.no_sync():
        for update in samples:
            w, state = whole.apply(w, backend.asarray(update.mean(0), "float64"), state)
            for piece in np.split(update, [7, 8, 17]):
                assert other.step == state.step - 1
                v, other = gathered.apply(
                    v, backend.asarray(piece.mean(0), "float64"), other, float(len(piece))
                )
            assert (other.step, other.pending) == (state.step, 0)
    backend.assert_array(v, backend.to_numpy(w), dtype="float64", rtol=1e-13)


def test_a_tail_is_flushed_with_the_weight_it_has(backend):
    optimizer = chain(Accumulate(4), SGD(1.0))
    w = backend.asarray([0.0])
    state = optimizer.init(w)
    for value, weight in ((1.0, 3.0), (5.0, backend.asarray(1.0))):
        w, state = optimizer.apply(w, backend.asarray([value]), state, weight)
    assert (state.step, state.pending) == (0, 2)
    w, state = optimizer.flush(w, state)
    assert (state.step, state.pending) == (1, 0)
    backend.assert_array(w, [-2.0], dtype="float32")
    again, same = optimizer.flush(w, state)
    assert again is w
    assert same is state
    summed = chain(Accumulate(2, reduce="sum"), SGD(1.0))
    w, state = backend.asarray([0.0]), summed.init(backend.asarray([0.0]))
    for value in (1.0, 5.0):
        w, state = summed.apply(w, backend.asarray([value]), state)
    backend.assert_array(w, [-6.0], dtype="float32")
    # A weight of nothing at all is a gradient of zero.
    w, state = backend.asarray([0.0]), optimizer.init(backend.asarray([0.0]))
    _, state = optimizer.apply(w, backend.asarray([0.0]), state, weight=0.0)
    backend.assert_array(optimizer.flush(w, state)[0], [0.0], dtype="float32")


@pytest.mark.parametrize("adaptive", [False, True])
def test_sam_takes_the_gradient_uphill(backend, adaptive):
    """Literally, over 20 steps; and it stays where the gradient is zero."""
    a = np.asarray([[3.0, 1.0], [1.0, 2.0]])
    rho = 0.3
    want, velocity, values = np.asarray([2.0, -1.0]), np.zeros(2), []
    for _ in range(20):
        g = a @ want
        values.append(want @ a @ want / 2)
        scaled = want * g if adaptive else g
        e = rho * (want * scaled if adaptive else g) / (np.linalg.norm(scaled) + 1e-12)
        velocity = MOMENTUM * velocity + a @ (want + e)
        want = want - LR * velocity
    optimizer = chain(SAM(rho, adaptive), SGD(LR, momentum=MOMENTUM))
    assert not optimizer.plain
    matrix, w = backend.asarray(a, "float64"), backend.asarray([2.0, -1.0], "float64")
    xp, state, found = backend.xp, optimizer.init(w), []

    def value_and_grad(w):
        g = xp.matmul(matrix, w)
        return xp.vecdot(w, g) / 2, g

    with backend.no_sync():
        for _ in range(20):
            value, w, state = optimizer.step_with(value_and_grad, w, state)
            found.append(value)
    backend.assert_array(w, want, dtype="float64", rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose([float(backend.to_numpy(v)) for v in found], values, rtol=1e-11)
    zero = backend.asarray([0.0, 0.0], "float64")
    _, still, _ = optimizer.step_with(value_and_grad, zero, optimizer.init(zero))
    backend.assert_array(still, [0.0, 0.0], dtype="float64")


def test_swa_has_a_learning_rate_of_its_own():
    rule = chain(SWA(0.5, lr=0.01, anneal_steps=4), SGD(Cosine(1.0, total_steps=20))).resolve(20)
    own = Cosine(1.0, total_steps=20)
    assert [rule.lr_at(t) for t in range(10)] == [own(t) for t in range(10)]
    wanted = [0.01 + (own(10) - 0.01) * (1 + np.cos(np.pi * k / 4)) / 2 for k in (1, 2, 3, 4, 4)]
    np.testing.assert_allclose([rule.lr_at(t) for t in range(10, 15)], wanted, rtol=1e-12)
    w, state = np.asarray([0.0]), rule.init(np.asarray([0.0]))
    state.step = 15
    assert rule.apply(w, np.asarray([1.0]), state)[0][0] == pytest.approx(-0.01)
    assert chain(SWA(3), SGD(0.5)).lr == 0.5
    with pytest.raises(ArgumentError, match=r"SWA: start is 0\.75, and the length of the run is not known"):
        chain(SWA(), SGD(0.1)).apply(w, w, chain(SWA(), SGD(0.1)).init(w))


def test_noise_is_drawn_again_the_same_and_has_the_variance(backend):
    grads = [backend.asarray(np.zeros(20_000)), backend.asarray(np.zeros((100, 200)))]
    layout = Layout(("a", "b"), ((20_000,), (100, 200)))
    transform = GradientNoise(0.3, 0.55, seed=1)
    for step in (1, 50):
        now = Moment(step, 0.1, layout, False)
        first, again = (transform.update(grads, grads, {}, now)[0] for _ in range(2))
        for a, b in zip(first, again, strict=True):
            a, b = backend.to_numpy(a), backend.to_numpy(b)
            np.testing.assert_array_equal(a, b)
            assert a.var() == pytest.approx(0.3 / step**0.55, rel=0.05)
            assert abs(a.mean()) < 0.02
        assert not np.array_equal(backend.to_numpy(first[0]), backend.to_numpy(first[1]).ravel())
    other = GradientNoise(0.3, 0.55, seed=2).update(grads, grads, {}, now)[0]
    assert not np.array_equal(backend.to_numpy(other[0]), backend.to_numpy(first[0]))


def test_an_average_of_weights_that_stay_is_those_weights():
    w = np.random.default_rng(0).normal(size=100).astype("float32")
    optimizer = chain(EMA(0.9), SWA(0), SGD(0.1))
    state = optimizer.init(w)
    for _ in range(20):
        _, state = optimizer.apply(w, np.zeros(100, "float32"), state)
    np.testing.assert_array_equal(state.slots["0.average"][0], w)
    np.testing.assert_array_equal(state.slots["1.average"][0], w)


def test_parts_of_a_chain_and_groups_by_name():
    """As a run file has them."""
    given = {
        "name": "chain",
        "transforms": ["clip_by_global_norm:max_norm=2", {"name": "ema", "decay": 0.9}],
        "rule": {"name": "groups", "rule": "adamw:lr=0.01", "patterns": {"*.bias": {"weight_decay": 0.0}}},
    }
    rule = groups(AdamW(0.01), {"*.bias": {"weight_decay": 0.0}})
    assert registry.create("optimizer", given) == chain(ClipByGlobalNorm(2.0), EMA(0.9), rule)
    assert chain("lookahead:k=3", "sgd:lr=0.5") == chain(Lookahead(3), SGD(0.5))
    with pytest.raises(ArgumentError, match="unknown transform 'emma'"):
        chain("emma", "sgd")


def test_weights_are_averaged_by_epochs():
    swa = chain(SWA("2ep", every="1ep"), SGD(0.1)).resolve(50, 10).transforms[0]
    assert (swa.start, swa.every) == (20, 10)


# Chains


def test_a_chain_hands_the_gradients_on():
    theta, grad = np.zeros(2), np.asarray([30.0, 40.0])
    clipped = chain(ClipByGlobalNorm(10.0), ClipByGlobalNorm(5.0), SGD(1.0))
    new, _ = clipped.apply(theta, grad, clipped.init(theta))
    np.testing.assert_allclose(new, [-3.0, -4.0])


def test_a_chain_at_the_end_of_a_chain_is_continued():
    inner = chain(EMA(0.5), SGD(0.1))
    outer = chain(ClipByGlobalNorm(1.0), inner)
    assert outer == chain(ClipByGlobalNorm(1.0), EMA(0.5), SGD(0.1))
    assert outer.slot_names() == ("1.average",)


def test_the_first_part_is_the_outermost():
    """An average in front averages what lookahead made; one behind it, what the rule made."""
    w, g = np.asarray([0.0]), np.asarray([1.0])
    for parts, wanted in (((EMA(0.0), Lookahead(1, 0.5)), -0.5), ((Lookahead(1, 0.5), EMA(0.0)), -1.0)):
        optimizer = chain(*parts, SGD(1.0))
        new, state = optimizer.apply(w, g, optimizer.init(w))
        assert new[0] == -0.5
        name = f"{parts.index(EMA(0.0))}.average"
        assert state.slots[name][0][0] == pytest.approx(wanted, abs=0.2)  # the warm-up leaves some of 0


@pytest.mark.parametrize("row", TRANSFORMS)
def test_in_blocks_as_in_whole(row):
    """Long vectors go through the cache in blocks; not one bit differs."""
    optimizer = chain(TRANSFORMS[row][0], SGD(LR, momentum=MOMENTUM))
    n = 2 * BLOCK + 100
    rng = np.random.default_rng(0)
    start, grads = rng.normal(size=n), [rng.normal(size=n) for _ in range(3)]
    layout, found = Layout(("a.weight", "b"), ((n - 5,), (5,))), []
    for blocks in (False, True):
        theta = start.copy()
        state = init_state(optimizer, theta, layout)
        for g in grads:
            update_in_place(optimizer, theta, g, state, blocks=blocks)
        found.append(theta)
    np.testing.assert_array_equal(*found)


def test_leaves_of_two_dtypes_keep_theirs(backend):
    params = {
        "a": backend.asarray([[1.0, 2.0], [0.5, 1.0]], "float32"),
        "b": backend.asarray([3.0], "float64"),
    }
    for row in TRANSFORMS:
        optimizer = chain(TRANSFORMS[row][0], SGD(0.1, momentum=0.9))
        if "of some" in row and "weight" in row:
            continue  # its pattern is of other paths
        new, state = params, optimizer.init(params)
        for _ in range(2):
            new, state = optimizer.apply(new, params, state)
        for path, before in params.items():
            backend.assert_array(new[path], backend.to_numpy(new[path]), like=before)


WRONG = [
    (lambda: ClipByGlobalNorm(0.0), "ClipByGlobalNorm: max_norm is 0.0, expected a number > 0"),
    (lambda: ClipByGlobalNorm(1.0, "stop"), "ClipByGlobalNorm: on_nonfinite is 'stop', expected 'keep'"),
    (lambda: ClipByValue(-1.0), "ClipByValue: max_value is -1.0, expected a number > 0"),
    (lambda: ClipByNorm(float("nan")), "ClipByNorm: max_norm is nan, expected a number > 0"),
    (lambda: AdaptiveClip(0.0), "AdaptiveClip: clipping is 0.0, expected a number > 0"),
    (lambda: AdaptiveClip(eps=0.0), "AdaptiveClip: eps is 0.0, expected a number > 0"),
    (lambda: AdaptiveClip(unit_axis=1), "AdaptiveClip: unit_axis is 1, expected -1 or 0"),
    (lambda: WeightDecay(-0.1), "WeightDecay: weight_decay is -0.1, expected a number >= 0"),
    (lambda: WeightDecay(0.1, mask=3), "WeightDecay: mask is 3, expected a pattern or a list of them"),
    (lambda: WeightDecay(0.1, mask=[""]), "WeightDecay: '' is no pattern"),
    (lambda: L1(-1.0), "L1: l1 is -1.0, expected a number >= 0"),
    (lambda: Centralize(2), "Centralize: unit_axis is 2, expected -1 or 0"),
    (lambda: GradientNoise(-1.0), "GradientNoise: eta is -1.0, expected a number >= 0"),
    (lambda: GradientNoise(seed=-1), "GradientNoise: seed is -1, expected an integer >= 0"),
    (lambda: Accumulate(0), "Accumulate: every is 0, expected an integer >= 1"),
    (lambda: Accumulate(2, "max"), "Accumulate: reduce is 'max', expected 'mean' or 'sum'"),
    (lambda: SkipNonFinite(-1), "SkipNonFinite: max_consecutive is -1, expected an integer >= 0"),
    (lambda: LossScale(0.0), "LossScale: scale is 0.0, expected a number > 0"),
    (lambda: LossScale(growth_factor=1.0), "LossScale: growth_factor is 1.0, expected a number > 1"),
    (lambda: LossScale(backoff_factor=1.0), "LossScale: backoff_factor is 1.0, expected a number in (0, 1)"),
    (lambda: LossScale(growth_interval=0), "LossScale: growth_interval is 0, expected an integer >= 1"),
    (lambda: EMA(1.0), "EMA: decay is 1.0, expected a number in [0, 1)"),
    (lambda: SWA(1.0), "SWA: start is 1.0, expected "),
    (lambda: SWA(-1), "SWA: start is -1, expected "),
    (lambda: SWA(0, every=0), "SWA: every is 0, expected "),
    (lambda: SWA(0, lr=0.0), "SWA: lr is 0.0, expected a number > 0"),
    (lambda: Lookahead(0), "Lookahead: k is 0, expected an integer >= 1"),
    (lambda: Lookahead(2, 0.0), "Lookahead: alpha is 0.0, expected a number in (0, 1]"),
    (lambda: SAM(0.0), "SAM: rho is 0.0, expected a number > 0"),
    (lambda: chain(EMA(), Accumulate(2), SGD()), "chain: Accumulate is not the first part"),
    (
        lambda: chain(WeightDecay(mask="*.wieght"), SGD()).init({"0": {"weight": np.ones((2, 2))}}),
        "WeightDecay: no parameter fits the pattern '*.wieght' (did you mean '*.weight'?)\n"
        "  parameters: 0.weight",
    ),
]


@pytest.mark.parametrize(("make", "text"), WRONG)
def test_values_out_of_range_are_refused(make, text):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert text in str(caught.value)


def test_a_transform_without_a_formula_says_so():
    with pytest.raises(TypeError, match=r"Transform defines no transform\(self, grads\)"):
        Transform().transform([np.ones(2)])


def test_a_transform_of_three_lines():
    """What a plugin author writes; it is simple, so that a rule behind it runs in blocks."""

    class Halved(Transform):
        def transform(self, grads):
            return [g / 2 for g in grads]

    optimizer = chain(Halved(), SGD(1.0))
    assert optimizer.simple
    assert optimizer.apply(np.ones(1), np.ones(1), optimizer.init(np.ones(1)))[0][0] == 0.5


def test_host_and_device_agree(backend):
    """Values of the whole table on a library equal those of NumPy."""
    host = BackendUnderTest("numpy", get_backend("numpy"))
    start, grads = problem()
    parts = [ClipByNorm(0.5), Centralize(), WeightDecay(0.1, mask="matrix"), EMA(0.9), Lookahead(2)]
    optimizer, found = chain(*parts, Adam(0.1)), []
    for b in (backend, host):
        params = on_device(b, start, "float64")
        state = optimizer.init(params)
        for g in grads:
            params, state = optimizer.apply(params, on_device(b, g, "float64"), state)
        found.append(flat({k: b.to_numpy(a) for k, a in params.items()}))
    np.testing.assert_allclose(*found, rtol=1e-12)
