"""Where a step's time goes: everything is found, adds up, and leaves the trainer as it was."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

import learnkit as lk
from learnkit import nn
from learnkit.errors import ArgumentError, ShapeError
from learnkit.training.flame import draw
from learnkit.training.profiling import Frame, Profile


def data(rows=40, width=6):
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, width)), rng.integers(0, 3, rows)


def network():
    return nn.Sequential(
        nn.Linear(6, 8),
        nn.BatchNorm1d(8),
        nn.Residual(nn.Linear(8, 8), nn.ReLU(), nn.Dropout(0.1)),
        nn.Linear(8, 3),
    )


def profiled(trainer, **options):
    x, y = data()
    place = trainer.backend.asarray
    return lk.profile(trainer, place(x), place(y), batch_size=8, seconds=0.001, **options)


def test_every_layer_and_operation_is_found_and_the_parts_add_up(backend):
    trainer = lk.Trainer(network(), "cross_entropy", "adamw", backend=backend.backend)
    found = profiled(trainer)
    layers = found.by_layer()
    for name in ("0 Linear", "1 BatchNorm1d", "2 Residual", "2.0 Linear", "2.1 ReLU", "3 Linear", "loss"):
        forward, backward = layers[name]
        assert forward > 0, name
        assert backward > 0, name
    assert "2.2 Dropout" in layers
    calls, forward, backward = found.by_operation()["linear"]
    assert calls == 3
    assert min(forward, backward) > 0
    phases = found.phases()
    assert all(seconds > 0 for seconds in phases.values())
    assert sum(phases.values()) == pytest.approx(found.watched)
    inside = sum(sum(both) for both in layers.values())
    assert inside == pytest.approx(phases["forward"] + phases["backward"] + phases["loss"])
    assert found.seconds > 0
    assert found.batch_size == 8


OPTIMIZERS = {
    "adamw": "adamw",
    "sam": lk.optim.chain(lk.optim.SAM(), lk.optim.SGD(0.01)),
    "lbfgs": "lbfgs:lr=0.01",
    "accumulate": lk.optim.chain(lk.optim.Accumulate(2), lk.optim.Adam()),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_the_trainer_is_left_as_it_was(optimizer):
    trainer = lk.Trainer(network(), "cross_entropy", optimizer, seed=3)
    x, y = data()
    trainer.fit(x, y, epochs=1, batch_size=8, verbose=False)
    other = lk.Trainer(network(), "cross_entropy", optimizer, seed=3)
    other.fit(x, y, epochs=1, batch_size=8, verbose=False)
    classes = [type(module) for module in trainer.model.modules().values()]
    gradient, loss, steps = trainer.gradient, trainer.loss, trainer.steps_done
    profiled(trainer)
    assert [type(module) for module in trainer.model.modules().values()] == classes
    assert trainer.gradient is gradient
    assert trainer.loss is loss
    assert (trainer.steps_done, trainer.epochs_done) == (steps, 1)
    for each in (trainer, other):
        each.fit(x, y, epochs=1, batch_size=8, verbose=False)
    for path, array in trainer.model.arrays().items():
        np.testing.assert_array_equal(array, other.model.arrays()[path], err_msg=path)


def test_it_is_left_as_it_was_if_a_step_raises():
    class Breaks(nn.Module):
        """Works until it is told not to."""

        calls = 0

        def __call__(self, x):
            Breaks.calls += 1
            if Breaks.calls > 4:
                raise RuntimeError("broken")
            return x

    model = nn.Sequential(nn.Linear(6, 3), Breaks())
    trainer = lk.Trainer(model, "cross_entropy", "adam")
    before = trainer.copy_arrays()
    with pytest.raises(RuntimeError, match="broken"):
        profiled(trainer)
    assert type(model[1]) is Breaks
    assert trainer.steps_done == 0
    for path, array in model.arrays().items():
        np.testing.assert_array_equal(array, before[path])


def test_another_model_of_the_same_classes_is_not_watched():
    """A step of one trainer within the loss of another: its layers are nobody's business here."""
    trainer = lk.Trainer(nn.Linear(6, 3), "cross_entropy", "adam")
    other = nn.Linear(6, 3)
    nn.initialize(other, seed=0)
    seen = []

    class Peeks(nn.Module):
        """Calls a model that is not its own."""

        def __call__(self, x):
            seen.append(type(other))
            return x

    trainer = lk.Trainer(nn.Sequential(nn.Linear(6, 3), Peeks()), "cross_entropy", "adam")
    found = profiled(trainer)
    assert set(seen) == {nn.Linear}
    assert "1 Peeks" in found.by_layer()


def test_a_model_that_is_one_layer():
    found = profiled(lk.Trainer(nn.Linear(6, 3), "cross_entropy", "sgd"))
    assert set(found.by_layer()) == {"Linear", "loss", "between layers"}


def test_a_model_whose_size_comes_from_its_first_batch():
    trainer = lk.Trainer(nn.MLP((None, 4, 3)), "cross_entropy", "sgd")
    assert "0 Linear" in profiled(trainer).by_layer()


def test_operations_of_a_part_that_is_computed_again_are_found():
    class Again(nn.Module):
        """Keeps nothing for the reverse pass."""

        def __init__(self):
            self.inner = nn.MLP((6, 4, 3))

        def __call__(self, x):
            return lk.checkpoint(self.inner)(x)

    found = profiled(lk.Trainer(nn.Sequential(Again()), "cross_entropy", "sgd"))
    forward, backward = found.by_layer()["0.inner.0 Linear"]
    assert forward > 0
    assert backward > 0


#: Two layers and a loss, with times that are easy to add.
KNOWN = Profile(
    frames=(
        Frame(("the rest", ""), 1e-6, 1),
        Frame(("forward", "MLP", ""), 2e-6, 1),
        Frame(("forward", "MLP", "0 Linear", "linear"), 30e-6, 1),
        Frame(("forward", "loss", "mse"), 5e-6, 1),
        Frame(("backward", "loss", "mse"), 7e-6, 1),
        Frame(("backward", "MLP", "0 Linear", "linear"), 50e-6, 1),
        Frame(("optimizer", ""), 5e-6, 1),
    ),
    layers=(("MLP", "MLP, without its layers"), ("0 Linear", "0 Linear(1, <2>)")),
    loss="mse",
    optimizer="adam",
    seconds=95e-6,
    steps=10,
    batch_size=32,
    backend="numpy",
)


def test_text():
    assert KNOWN.text == str(KNOWN)
    assert KNOWN.text.splitlines() == [
        "a step of 32 rows on numpy: 95 us, 100 us while watched (10 steps)",
        "",
        "                 time   share",
        "forward         32 us  32.0 %",
        "loss mse        12 us  12.0 %",
        "backward        50 us  50.0 %",
        "optimizer adam   5 us   5.0 %",
        "the rest         1 us   1.0 %",
        "",
        "layer                    forward  backward   share",
        "MLP, without its layers     2 us         0   2.0 %",
        "0 Linear(1, <2>)           30 us     50 us  80.0 %",
        "loss mse                    5 us      7 us  12.0 %",
        "",
        "operation  calls  forward  backward   share",
        "linear         1    30 us     50 us  80.0 %",
        "mse            1     5 us      7 us  12.0 %",
    ]


def test_svg(tmp_path):
    """Boxes are as wide as their times, lie within what they are a part of, and are escaped."""
    path = KNOWN.save(tmp_path / "p.svg")
    assert path.read_text(encoding="utf-8") == KNOWN.svg
    root = ET.fromstring(KNOWN.svg)
    tag = "{http://www.w3.org/2000/svg}"
    boxes = {}
    for group in root.iter(f"{tag}g"):
        title, rect = group.find(f"{tag}title").text, group.find(f"{tag}rect")
        boxes.setdefault(title, []).append(tuple(float(rect.get(n)) for n in ("x", "y", "width")))
    ((x, y, width),) = boxes["forward: 37 us, 37.0 %"]
    ((inner_x, inner_y, inner_width),) = boxes["MLP: 32 us, 32.0 %"]
    assert inner_y > y
    assert x <= inner_x
    assert inner_x + inner_width <= x + width + 0.01
    assert inner_width / width == pytest.approx(32 / 37, abs=1e-3)
    assert "loss mse: 5 us, 5.0 %" in boxes
    assert "optimizer adam: 5 us, 5.0 %" in boxes
    text = KNOWN.save(tmp_path / "p.txt").read_text(encoding="utf-8")
    assert text == KNOWN.text + "\n"
    assert "&lt;b&gt;" in draw("<b>", [(("a",), 1.0)], str)


def test_as_dict_is_plain():
    import json

    plain = json.loads(json.dumps(KNOWN.as_dict()))
    assert plain["phases"]["loss"] == pytest.approx(12e-6)
    assert plain["layers"]["0 Linear"] == {"forward": 30e-6, "backward": 50e-6}
    assert plain["frames"][2]["stack"] == ["forward", "MLP", "0 Linear", "linear"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "profile: batch_size is 0, expected an integer >= 1"),
        ({"seconds": 0.0}, "profile: seconds is 0.0"),
    ],
)
def test_arguments(options, message):
    trainer = lk.Trainer(nn.Linear(6, 3), "cross_entropy")
    with pytest.raises(ArgumentError, match=message):
        lk.profile(trainer, *data(), **options)


def test_data_that_do_not_fit():
    with pytest.raises(ShapeError):
        lk.profile(lk.Trainer(nn.Linear(5, 3), "cross_entropy"), *data())
