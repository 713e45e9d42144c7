"""Plain functions as components: losses, metrics, activations, schedules, optimizers."""

from __future__ import annotations

import copy
import functools
import inspect
import json
import math
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import learnkit as lk
from learnkit.errors import ArgumentError, ShapeError, UnknownNameError
from learnkit.plugins import registry
from learnkit.plugins.functions import component_of


def pinball(y_pred: Any, y_true: Any, *, q: float = 0.5) -> Any:
    """Quantile loss."""
    xp = lk.array_namespace(y_pred, y_true)
    d = y_true - y_pred
    return xp.where(d > 0, q * d, (q - 1.0) * d)


def nll(y_pred: Any, y_true: Any) -> Any:
    """Cross-entropy from logits, a number for each example."""
    xp = lk.array_namespace(y_pred, y_true)
    top = xp.max(y_pred, axis=1, keepdims=True)
    log_sum = xp.log(xp.sum(xp.exp(y_pred - top), axis=1)) + top[:, 0]
    return log_sum - xp.take_along_axis(y_pred, y_true[:, None], axis=1)[:, 0]


def within(y_pred: Any, y_true: Any, *, tolerance: float = 0.1) -> Any:
    """Whether the error is small."""
    return abs(y_pred - y_true) <= tolerance


def leaky(x: Any, *, slope: float = 0.1) -> Any:
    """A bent line."""
    xp = lk.array_namespace(x)
    return xp.where(x > 0, x, slope * x)


def halving(step: int, *, lr: float = 0.1, every: int = 10) -> float:
    """Half of it, again and again."""
    return lr * 0.5 ** (step // every)


def adam(
    theta: Any,
    grad: Any,
    m: Any,
    v: Any,
    *,
    lr: float = 0.1,
    betas: tuple[float, float] = (0.9, 0.999),
    step: int,
) -> Any:
    """The textbook's."""
    xp = lk.array_namespace(theta)
    m = betas[0] * m + (1 - betas[0]) * grad
    v = betas[1] * v + (1 - betas[1]) * grad * grad
    m_hat, v_hat = m / (1 - betas[0] ** step), v / (1 - betas[1] ** step)
    return theta - lr * m_hat / (xp.sqrt(v_hat) + 1e-8), m, v


def descent(theta: Any, grad: Any, *, lr: float = 0.1) -> Any:
    """The plainest."""
    return theta - lr * grad


FUNCTIONS = {
    "loss": {"pinball": pinball, "own_nll": nll},
    "metric": {"within": within},
    "activation": {"leaky-fn": leaky},
    "schedule": {"halving": halving},
    "optimizer": {"adam.fn": adam, "descent": descent},
}
#: kind, as it is named, as it prints
NAMED = [
    ("loss", "pinball:q=0.9", "pinball(reduction='mean', q=0.9)"),
    ("loss", "pinball:reduction=sum", "pinball(reduction='sum', q=0.5)"),
    ("metric", "within:tolerance=1", "within(larger_is_better=True, tolerance=1)"),
    ("activation", "leaky-fn:slope=0.3", "leaky-fn(slope=0.3)"),
    ("schedule", "halving:every=2", "halving(lr=0.1, every=2)"),
    ("optimizer", "adam.fn:lr=0.01,betas=(0.8,0.9)", "adam.fn(lr=0.01, betas=(0.8, 0.9))"),
    ("optimizer", "descent", "descent(lr=0.1)"),
]
IDS = [f"{kind}-{spec}" for kind, spec, _ in NAMED]


@pytest.fixture(autouse=True)
def _functions() -> Iterator[None]:
    with lk.registered(**FUNCTIONS):
        yield


@pytest.mark.parametrize(("kind", "spec", "text"), NAMED, ids=IDS)
def test_it_is_named_printed_described_and_pickled_like_every_component(
    kind: str, spec: str, text: str
) -> None:
    made = registry.create(kind, spec)
    assert repr(made) == text
    assert registry.name_of(made) == registry.name_of(type(made)) == spec.partition(":")[0]
    described = registry.describe(made)
    again = registry.create(kind, json.loads(json.dumps(described)))
    assert type(again) is type(made)
    assert registry.describe(again) == described
    for other in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made), copy.copy(made)):
        assert type(other) is type(made)
        assert repr(other) == text
        if kind != "activation":
            assert other == made == again
            assert hash(other) == hash(made)


def test_the_options_are_the_keyword_only_parameters() -> None:
    with pytest.raises(ArgumentError) as info:
        registry.create("loss", "pinball:p=2")
    assert str(info.value) == "loss 'pinball' has no option 'p'\n  options: reduction, q"
    with pytest.raises(ArgumentError, match=r"^pinball: reduction is 'max', expected"):
        registry.create("loss", "pinball:reduction=max")
    with pytest.raises(ArgumentError, match=r"^adam\.fn: lr is -1, expected"):
        registry.create("optimizer", "adam.fn:lr=-1")
    assert list(inspect.signature(registry.get("optimizer", "adam.fn")).parameters) == ["lr", "betas"]
    assert registry.get("loss", "pinball").__doc__ == "Quantile loss."


# Losses


def test_a_loss_has_its_mean_weights_masks_and_gradient(backend: Any) -> None:
    loss = registry.create("loss", "pinball:q=0.75")
    a, b = [[1.0, -2.0], [0.5, 4.0], [3.0, 3.0]], [[0.0, 0.0], [1.0, 1.0], [2.0, 5.0]]
    d = np.asarray(b) - np.asarray(a)
    values = np.where(d > 0, 0.75 * d, -0.25 * d)
    y_pred, y_true = backend.asarray(a, dtype="float64"), backend.asarray(b, dtype="float64")
    expected = {(): values.mean()}
    assert float(loss(y_pred, y_true)) == pytest.approx(expected[()], rel=1e-14)
    per_example = backend.to_numpy(loss.per_example(y_pred, y_true))
    np.testing.assert_allclose(per_example, values.mean(axis=1), rtol=1e-14)
    w = np.asarray([1.0, 0.0, 3.0])
    weighted = float(loss(y_pred, y_true, sample_weight=backend.asarray(w, dtype="float64")))
    assert weighted == pytest.approx((values * w[:, None]).sum() / (2 * w.sum()), rel=1e-14)
    mask = np.asarray([[True, False], [True, True], [False, False]])
    masked = float(loss(y_pred, y_true, mask=backend.asarray(mask, dtype="bool")))
    assert masked == pytest.approx(values[mask].mean(), rel=1e-14)
    grad = lk.grad(lambda p: loss(p, y_true))(y_pred)
    np.testing.assert_allclose(backend.to_numpy(grad), np.where(d > 0, -0.75, 0.25) / 6, rtol=1e-14)
    lk.check_grads(lambda p: loss(p, y_true), y_pred, order=1)


def test_a_step_waits_for_no_device(backend: Any) -> None:
    x = backend.asarray([[1.0, -2.0], [0.5, 4.0]], dtype="float32")
    loss, layer = registry.create("loss", "pinball"), registry.create("activation", "leaky-fn")
    metric, rule = registry.create("metric", "within"), registry.create("optimizer", "adam.fn")
    state = rule.init(x)
    with backend.no_sync():
        _, grad = lk.value_and_grad(lambda p: loss(layer(p), x))(x)
        rule.apply(x, grad, state)
        metric.sums(x, x)


def test_what_is_masked_may_hold_anything(backend: Any) -> None:
    loss = registry.create("loss", "pinball")
    y_pred = backend.asarray([1.0, math.nan, math.inf], dtype="float32")
    y_true = backend.asarray([0.0, math.inf, math.nan], dtype="float32")
    mask = backend.asarray([True, False, False], dtype="bool")
    value, grad = lk.value_and_grad(lambda p: loss(p, y_true, mask=mask))(y_pred)
    assert float(value) == 0.5
    assert backend.to_numpy(grad).tolist() == [0.5, 0.0, 0.0]


def test_columns_and_vectors_are_not_broadcast(backend: Any) -> None:
    """(n, 1) beside (n,) would be (n, n), which trains on nonsense; integers become real numbers."""
    xp, loss = backend.xp, registry.create("loss", "pinball")
    column = backend.asarray([[1.0], [2.0], [4.0]], dtype="float32")
    vector = backend.asarray([1, 1, 1], dtype="int64")
    for y_pred, y_true in ((column, vector), (xp.reshape(column, (3,)), xp.reshape(vector, (3, 1)))):
        assert float(loss(y_pred, y_true)) == pytest.approx((0 + 0.5 + 1.5) / 3)
        assert loss(y_pred, y_true).dtype == xp.float32
        assert lk.grad(lambda p, t=y_true: loss(p, t))(y_pred).shape == y_pred.shape


def test_class_numbers_stay_whole(backend: Any) -> None:
    loss = registry.create("loss", "own_nll")
    logits = backend.asarray([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]], dtype="float64")
    classes = backend.asarray([1, 0], dtype="int64")
    wanted = registry.create("loss", "cross_entropy")
    assert float(loss(logits, classes)) == pytest.approx(float(wanted(logits, classes)), rel=1e-12)
    got = backend.to_numpy(lk.grad(lambda p: loss(p, classes))(logits))
    np.testing.assert_allclose(
        got, backend.to_numpy(lk.grad(lambda p: wanted(p, classes))(logits)), rtol=1e-12
    )
    mask = backend.asarray([True, False], dtype="bool")
    assert float(loss(logits, classes, mask=mask)) == pytest.approx(
        float(wanted(logits, classes, mask=mask)), rel=1e-12
    )


def test_a_target_on_the_left_of_the_prediction_is_differentiated_too(backend: Any) -> None:
    loss = registry.create("loss", lambda p, t: (t - p) ** 2)
    p = backend.asarray([1.0, 2.0], dtype="float32")
    t = backend.asarray([3.0, 2.5], dtype="float32")
    assert backend.to_numpy(lk.grad(lambda p: loss(p, t))(p)).tolist() == [-2.0, -0.5]


def test_the_batch_may_be_empty(backend: Any) -> None:
    loss = registry.create("loss", "pinball")
    nothing = backend.asarray(np.zeros((0, 2)), dtype="float32")
    assert float(loss(nothing, nothing)) == 0
    assert math.isnan(registry.create("metric", "within")(nothing, nothing))


def mean_of_batch(y_pred: Any, y_true: Any) -> Any:
    return lk.array_namespace(y_pred).mean((y_pred - y_true) ** 2)


WRONG = [
    (
        "loss",
        mean_of_batch,
        ShapeError,
        "bad(y_pred, y_true) returned a single number, expected one number for each of 2 examples, (2,), or "
        "for each element, (2, ...)\n  leave the mean out: it is taken for you, with weights and masks",
    ),
    (
        "loss",
        lambda p, t: (p - t)[:1],
        ShapeError,
        "bad(y_pred, y_true) returned an array of shape (1,), expected",
    ),
    (
        "loss",
        lambda alpha, gamma: lk.losses.MSE(),
        ArgumentError,
        "bad(y_pred, y_true) returned MSE(reduction='mean', half=False), expected an array\n"
        "  a function that makes a component takes its options by keyword: def bad(*, ...)",
    ),
    ("metric", mean_of_batch, ShapeError, "bad(y_pred, y_true) returned a single number"),
    ("metric", lambda p, t: None, ArgumentError, "bad(y_pred, y_true) returned None, expected an array"),
]


@pytest.mark.parametrize(("kind", "function", "error", "message"), WRONG, ids=range(len(WRONG)))
def test_what_is_no_value_for_each_example_is_refused(
    kind: str, function: Any, error: type[Exception], message: str
) -> None:
    made = component_of(kind, "bad", function)()
    a = np.asarray([1.0, 2.0])
    with pytest.raises(error) as info:
        made(a, a)
    assert str(info.value).startswith(message)


# Metrics


def test_a_metric_is_the_mean_over_all_rows(backend: Any) -> None:
    metric = registry.create("metric", "within:tolerance=0.5")
    y_pred = backend.asarray([[0.0, 1.0], [2.0, 2.0], [5.0, 1.0]], dtype="float32")
    y_true = backend.asarray([[0.2, 3.0], [2.0, 2.0], [0.0, 0.0]], dtype="float32")
    assert metric(y_pred, y_true) == 0.5
    weight = backend.asarray([0.0, 2.0, 1.0], dtype="float32")
    assert metric(y_pred, y_true, sample_weight=weight) == pytest.approx(2 / 3)
    parts = metric.combine(
        metric.sums(y_pred[:1, :], y_true[:1, :]), metric.sums(y_pred[1:, :], y_true[1:, :])
    )
    assert metric.compute(tuple(map(float, parts))) == 0.5


def test_a_metric_says_which_way_is_better() -> None:
    def error(y_pred: Any, y_true: Any, *, larger_is_better: bool = False) -> Any:
        return abs(y_pred - y_true)

    with lk.registered(metric={"error": error}):
        assert not registry.create("metric", "error").larger_is_better
    assert registry.create("metric", "within").larger_is_better
    made = registry.create("metric", "within:larger_is_better=false")
    assert not made.larger_is_better
    assert registry.create("metric", registry.describe(made)) == made


# Activations, schedules, optimizers


def test_an_activation_is_a_layer(backend: Any) -> None:
    layer = registry.create("activation", "leaky-fn:slope=0.25")
    x = backend.asarray([-4.0, 2.0], dtype="float32")
    assert backend.to_numpy(layer(x)).tolist() == [-1.0, 2.0]
    assert backend.to_numpy(lk.grad(lambda x: xp_sum(layer(x)))(x)).tolist() == [0.25, 1.0]
    assert layer.parameters() == {}
    with pytest.raises(ArgumentError, match=r"^none\(x\) returned None, expected an array"):
        component_of("activation", "none", lambda x: None)()(x)


def xp_sum(x: Any) -> Any:
    return lk.array_namespace(x).sum(x)


def test_a_schedule_is_a_function_of_the_step() -> None:
    made = registry.create("schedule", "halving:lr=8,every=1")
    assert [made(step) for step in (0, 1, 3, 2)] == [8.0, 4.0, 1.0, 2.0]
    assert type(made(0)) is float
    assert (made * 0.5)(0) == 4.0
    with pytest.raises(ArgumentError, match=r"^bad\(3\) returned '7', expected a number"):
        component_of("schedule", "bad", lambda step: "7")()(3)


def test_a_schedule_is_told_how_long_the_run_is_and_where_its_peak_is() -> None:
    def line(step: int, *, total_steps: int | None = None, lr: float = 0.1) -> float:
        return lr * (1 - step / total_steps) if total_steps else lr

    from learnkit.schedules.named import gives_peak, peak_field, with_peak

    with lk.registered(schedule={"line": line, "flat": lambda step, *, a=0.5: a}):
        assert registry.create("schedule", "line").resolve(10)(5) == pytest.approx(0.05)
        assert registry.create("schedule", "line:total_steps=20").resolve(10)(5) == pytest.approx(0.075)
        assert peak_field("line") == "lr"
        assert with_peak("line", 0.7).lr == 0.7
        assert not gives_peak("line")
        assert peak_field("flat") is None  # a is not a learning rate
        assert gives_peak("flat")
        assert with_peak("flat", 0.7)(0) == 0.5


def test_an_optimizer_is_its_equation(backend: Any) -> None:
    rng = np.random.default_rng(0)
    start, grads = rng.normal(size=(3, 2)), rng.normal(size=(5, 3, 2))
    results = []
    for spec in ("adam.fn:lr=0.01", "adam:lr=0.01"):
        made = registry.create("optimizer", spec)
        params = {"w": backend.asarray(start, dtype="float64")}
        state = made.init(params)
        for grad in grads:
            params, state = made.apply(params, {"w": backend.asarray(grad, dtype="float64")}, state)
        results.append(backend.to_numpy(params["w"]))
    assert sorted(registry.create("optimizer", "adam.fn").slots) == ["m", "v"]
    np.testing.assert_allclose(results[0], results[1], rtol=1e-12)


def test_hyper_parameters_of_an_optimizer_may_be_schedules() -> None:
    made = registry.create(
        "optimizer",
        {
            "name": "adam.fn",
            "lr": {"kind": "schedule", "name": "halving", "lr": 0.4, "every": 1},
            "betas": (registry.create("schedule", "linear:lr=0.5,total_steps=2"), 0.5),
        },
    )
    w = np.asarray([1.0])
    state = made.init(w)
    w, state = made.apply(w, w, state)
    assert w == pytest.approx([0.6])  # the first step of Adam is lr times the sign
    assert registry.create("optimizer", registry.describe(made)) == made


BAD_UPDATES = [
    (lambda theta, grad, m, *, lr=0.1: theta, "bad returned ndarray, expected 2: theta, m"),
    (lambda theta, grad, *, lr=0.1: (theta, grad), "bad returned 2 values, expected 1: theta"),
    (lambda theta, grad, *, lr=0.1: None, "bad returned None for theta, expected an array"),
    (lambda theta, grad, *, lr=0.1: theta[:1], "bad returned theta of shape (1,), expected (2,)"),
    (
        lambda theta, grad, m, *, lr=0.1: (theta, m.astype("float64")),
        "bad returned m of float64, expected float32",
    ),
]


@pytest.mark.parametrize(("function", "message"), BAD_UPDATES, ids=range(len(BAD_UPDATES)))
def test_what_is_no_update_is_refused(function: Any, message: str) -> None:
    made = component_of("optimizer", "bad", function)()
    w = np.asarray([1.0, 2.0], dtype=np.float32)
    with pytest.raises(ArgumentError) as info:
        made.apply(w, w, made.init(w))
    assert info.value.message == message


# In a trainer


def data() -> tuple[Any, Any]:
    x = np.random.default_rng(1).normal(size=(96, 3)).astype(np.float32)
    return x, x @ np.asarray([1.0, -2.0, 0.5], dtype=np.float32)


def test_they_train_together_and_are_saved_and_resumed(backend: Any, tmp_path: Any) -> None:
    x, y = data()
    model = lk.nn.Sequential(
        lk.nn.Linear(3, 8), registry.create("activation", "leaky-fn"), lk.nn.Linear(8, 1)
    )
    optimizer = {"name": "adam.fn", "lr": {"kind": "schedule", "name": "halving", "lr": 0.05}}
    trainer = lk.Trainer(
        model,
        loss="pinball:q=0.6",
        optimizer=registry.create("optimizer", optimizer),
        metrics=["within:tolerance=0.3"],
        backend=backend.backend,
        seed=0,
    )
    history = trainer.fit(x, y, epochs=8, batch_size=16, verbose=False)
    assert history.epochs[-1].loss < 0.5 * history.epochs[0].loss
    assert "within" in history.epochs[-1].metrics
    trainer.save(tmp_path / "run.safetensors")
    again = lk.Trainer.resume(tmp_path / "run.safetensors", backend=backend.backend)
    assert (again.loss, again.optimizer, again.metrics) == (trainer.loss, trainer.optimizer, trainer.metrics)
    assert np.array_equal(again.predict(x), trainer.predict(x))


def test_a_function_stands_where_a_component_is_taken() -> None:
    x, y = data()
    trainer = lk.Trainer(
        lk.nn.Linear(3, 1), loss=lambda p, t: (p - t) ** 2, optimizer=descent, metrics=[within], seed=0
    )
    twin = lk.Trainer(lk.nn.Linear(3, 1), loss="mse", optimizer="sgd:lr=0.1", metrics=["within"], seed=0)
    for one in (trainer, twin):
        one.fit(x, y, epochs=2, verbose=False)
    assert list(trainer.metrics) == ["within"]
    assert trainer.optimizer == registry.create("optimizer", "descent")  # by the name that it has
    np.testing.assert_allclose(trainer.predict(x), twin.predict(x), rtol=1e-6)


def test_a_function_given_itself_imports_no_plugin() -> None:
    with registry.isolated() as isolated:
        registry.create("loss", lambda y_pred, y_true: y_pred - y_true)
        assert isolated.plugins._third_party is None


def test_a_function_without_a_name_cannot_be_saved(tmp_path: Any) -> None:
    trainer = lk.Trainer(lk.nn.Linear(3, 1), loss=lambda y_pred, y_true: (y_pred - y_true) ** 2)
    with pytest.raises(UnknownNameError) as info:
        registry.describe(trainer.loss)
    assert info.value.hint == "give the function a name: learnkit.register_loss('<lambda>', ...)"


def test_a_registered_function_in_a_lambda_layer_is_found_again() -> None:
    model = lk.nn.Sequential(lk.nn.Lambda(leaky))
    described = json.loads(json.dumps(registry.describe(model)))
    assert described["layers"][0]["fn"] == {"kind": "activation", "function": "leaky-fn"}
    assert registry.create("layer", described)[0].fn is leaky


# What is a component, what makes one, and what is neither


def make(*, scale: float = 1.0) -> Any:
    return lk.losses.Huber(delta=scale)


def make_positional(scale: float = 1.0, other: int = 2) -> Any:
    return lk.losses.Huber(delta=scale)


def make_annotated(scale, other) -> lk.losses.Huber:  # type: ignore[no-untyped-def]
    return lk.losses.Huber(delta=scale)


def make_any(**options: Any) -> Any:
    return lk.losses.Huber(**options)


@pytest.mark.parametrize("factory", [make, make_positional, make_annotated, make_any])
def test_a_function_that_makes_a_component_is_called_with_the_options(factory: Any) -> None:
    assert component_of("loss", "made", factory) is factory
    option = "delta" if factory is make_any else "scale"
    more = {"other": 1} if factory is make_annotated else {}
    with lk.registered(loss={"made": factory}):
        made = registry.create("loss", {"name": "made", option: 3.0, **more})
        assert made == lk.losses.Huber(delta=3.0)


ACCEPTED = [
    ("loss", lambda a, b: a - b),
    ("loss", lambda y_pred, y_true, /, *, q: q * (y_pred - y_true)),
    ("loss", functools.partial(pinball, q=0.9)),
    ("loss", type("Callable", (), {"__call__": lambda self, y_pred, y_true: y_pred - y_true})().__call__),
    ("schedule", lambda t: 0.1),
    ("activation", lambda z: z),
    ("optimizer", lambda w, g, *, lr: w - lr * g),
]


@pytest.mark.parametrize(("kind", "function"), ACCEPTED, ids=range(len(ACCEPTED)))
def test_the_arguments_may_have_other_names(kind: str, function: Any) -> None:
    made = component_of(kind, "mine", function)
    assert made is not function
    assert made is component_of(kind, "mine", function)


def test_a_partial_pickles_too() -> None:
    with lk.registered(loss={"p9": functools.partial(pinball, q=0.9)}):
        made = registry.create("loss", "p9")
        assert made.q == 0.9
        assert pickle.loads(pickle.dumps(made)) == made


REFUSED = [
    (
        "loss",
        lambda y_pred, y_true, delta=1.0: 0,
        "the loss 'mine': mine(y_pred, y_true, delta=1.0) is neither a loss nor a function that makes "
        "one; write def mine(y_pred, y_true, *, delta=1.0) for a loss, or "
        "def mine(*, y_pred, y_true, delta=1.0) for a function that returns one",
    ),
    (
        "loss",
        lambda y_pred: 0,
        "the loss 'mine': mine(y_pred) is neither a loss nor a function that makes one; write "
        "def mine(y_pred, y_true) for a loss, or def mine(*, y_pred) for a function that returns one",
    ),
    (
        "loss",
        lambda *args, **options: 0,
        "the loss 'mine': mine(*args, **options) is neither a loss nor a function that makes one; write "
        "def mine(y_pred, y_true) for a loss, or def mine() for a function that returns one",
    ),
    (
        "loss",
        lambda y_pred, y_true, **options: 0,
        "the loss 'mine': mine(y_pred, y_true, **options) is neither a loss nor a function that makes one",
    ),
    (
        "schedule",
        lambda step, total, *, lr=0.1: 0,
        "the schedule 'mine': mine(step, total, *, lr=0.1) is neither a schedule nor a function that makes "
        "one; write def mine(step, *, lr=0.1) for a schedule, or def mine(*, step, total, lr=0.1) for a "
        "function that returns one",
    ),
    (
        "optimizer",
        lambda theta, *, lr=0.1: 0,
        "the optimizer 'mine': mine(theta, *, lr=0.1) is neither an optimizer nor a function that makes one; "
        "write def mine(theta, grad, *, lr=0.1) for an optimizer, or",
    ),
    (
        "optimizer",
        lambda theta, grad, m: 0,
        "the optimizer 'mine' takes no lr; write def mine(theta, grad, m, *, lr=0.1)",
    ),
    (
        "optimizer",
        lambda theta, grad, *, beta=0.9, step: 0,
        "the optimizer 'mine' takes no lr; write def mine(theta, grad, *, lr=0.1)",
    ),
    (
        "loss",
        lambda p, t, *, mean=1: 0,
        "the loss 'mine' cannot have an option 'mean': every loss has something",
    ),
    ("loss", lambda p, t, *, name="x": 0, "the loss 'mine' cannot have an option 'name'"),
    ("loss", lambda p, t, *, reduction="x": 0, "the loss 'mine' cannot have an option 'reduction'"),
    ("optimizer", lambda w, g, *, lr, init=1: 0, "the optimizer 'mine' cannot have an option 'init'"),
    ("loss", lk.losses.MSE(), "the loss 'mine' is an object of MSE; register the class MSE itself"),
    (
        "activation",
        lk.nn.ReLU(),
        "the activation 'mine' is an object of ReLU; register the class ReLU itself",
    ),
    ("loss", 3, "register_loss registers 'mine' as 3; expected a class or a function"),
]


@pytest.mark.parametrize(("kind", "function", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_neither_is_refused_with_what_to_write(kind: str, function: Any, message: str) -> None:
    with pytest.raises(ArgumentError) as info:
        registry.register(kind, "mine", function)
    assert info.value.message.startswith(message)
    assert "mine" not in registry.names(kind, third_party=False)


def test_list_options_are_not_shared_between_objects() -> None:
    def weighed(y_pred: Any, y_true: Any, *, weights: list[float] = [1.0]) -> Any:  # noqa: B006
        return y_pred - y_true

    cls = component_of("loss", "weighed", weighed)
    cls().weights.append(2.0)
    assert cls().weights == [1.0]
