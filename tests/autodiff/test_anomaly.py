"""``detect_anomaly``: the first bad number, by operation, line and leaf."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import learnkit as lk
from learnkit import nn
from learnkit.autodiff import checkpoint, detect_anomaly, grad, jvp, vjp
from learnkit.autodiff.tape import observer
from learnkit.backends import array_namespace
from learnkit.errors import GradientError

X = np.asarray([4.0, 1.0, 0.0])


def total(x):
    return array_namespace(x).sum(x)


def line_of(fn, text):
    """``file:line`` of the first line of ``fn`` that holds ``text``."""
    lines, start = inspect.getsourcelines(fn)
    return f"{__file__}:{start + next(i for i, line in enumerate(lines) if text in line)}"


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(all="ignore"):
        yield


def caught_in(fn, *args):
    with detect_anomaly(), pytest.raises(GradientError) as caught:
        grad(fn)(*args)
    assert observer.get() is None
    return str(caught.value)


def test_a_value_that_is_not_finite_is_named(backend):
    def fn(x):
        y = x * 2.0
        z = array_namespace(x).log(y)  # the line
        return total(z)

    text = caught_in(fn, backend.asarray(X))
    assert text.startswith(f"log gave inf at {line_of(fn, '# the line')}, computed from argument 0")
    assert "look at its arguments there" in text


def test_nan_is_told_from_infinity():
    def fn(x):
        return total(array_namespace(x).sqrt(x - 2.0))

    assert caught_in(fn, X).startswith("sqrt gave nan at ")


def test_a_gradient_that_is_not_finite_is_named_with_the_line_of_the_forward_pass():
    """The square root of 0 is fine; its derivative is not."""

    def fn(x):
        root = array_namespace(x).sqrt(x)  # the line
        return total(root)

    text = caught_in(fn, X)
    line = line_of(fn, "# the line")
    assert f"the gradient of sqrt for its argument 0 is inf; it was recorded at {line}" in text
    assert ", computed from argument 0" in text
    assert "keep the argument away from that point with xp.where" in text


def test_a_line_of_an_installed_library_is_named_with_the_line_that_called_it(tmp_path):
    """The value arises in the library, but the reader's own code is elsewhere."""
    library = tmp_path / "site-packages" / "their_losses.py"
    library.parent.mkdir()
    library.write_text("def log_loss(xp, x):\n    return xp.sum(xp.log(x))\n")
    namespace = {}
    exec(compile(library.read_text(), str(library), "exec"), namespace)

    def fn(x):
        return namespace["log_loss"](array_namespace(x), x - 4.0)  # the line

    text = caught_in(fn, X)
    assert f"log gave nan at {library}:2, called at {line_of(fn, '# the line')}" in text


def test_an_array_changed_in_place_is_found(backend):
    """The product needs both factors in the reverse pass."""
    weight = backend.asarray([1.0, 2.0, 3.0])

    def fn(x):
        y = x * weight  # the line
        weight[...] = weight * 0.0
        return total(y)

    text = caught_in(fn, backend.asarray(X))
    line = line_of(fn, "# the line")
    assert (
        f"a value that multiply needs for its gradient was changed in place after it was computed at {line}"
        in text
    )
    assert "make a copy before changing an array" in text


def test_a_saved_value_in_a_tuple_is_watched_too():
    data = np.ones((2, 3))

    def fn(x):
        y = checkpoint(lambda x, d: x * d)(x, data)
        data[0, 0] = 7.0
        return total(y)

    assert "checkpoint needs for its gradient was changed in place" in caught_in(fn, X)


def test_parameters_are_named_by_path(backend):
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    nn.initialize(model, seed=0, backend=backend.backend)
    model[1].weight[...] = backend.asarray([[1.0], [float("nan")], [1.0]])
    x = backend.asarray([[1.0, 2.0]])
    text = caught_in(lambda m: total(m(x)), model)
    assert text.startswith("linear gave nan at ")
    assert "computed from 1.weight, 1.bias, 0.weight, 0.bias" in text


def test_a_training_step_is_watched():
    """Also the gradients that rules write straight into the vector of all parameters."""
    trainer = lk.Trainer(nn.Sequential(nn.Linear(2, 1)), "mse")
    trainer.model[0].weight = np.zeros((2, 1), "float32")
    x, y = np.full((4, 2), 1e30, "float32"), np.full((4, 1), 1e15, "float32")  # the product overflows
    with detect_anomaly(), pytest.raises(GradientError) as caught:
        trainer.step(x, y)
    assert "the gradient of linear for its argument 1 is inf" in str(caught.value)
    assert "computed from 0.weight, 0.bias" in str(caught.value)


def test_what_is_computed_again_behind_a_checkpoint_is_watched():
    def fn(x):
        return total(checkpoint(lambda y: array_namespace(y).sqrt(y))(x))  # the line

    text = caught_in(fn, X)
    assert "gradient of sqrt for its argument 0 is inf" in text
    assert line_of(fn, "# the line") in text


def test_what_is_finite_passes():
    """In every mode, for several results and complex numbers, and with buffers."""
    with detect_anomaly():
        assert grad(lambda x: total(x * x))(X).tolist() == [8.0, 2.0, 0.0]
        assert grad(lambda x: total(grad(lambda y: total(y * y * y))(x)))(X).tolist() == [24.0, 6.0, 0.0]
        a = np.asarray([[2.0, 0.5], [0.5, 1.0]])
        grad(lambda a: total(array_namespace(a).linalg.eigh(a).eigenvectors[:, 0]))(a)
        vjp(lambda z: z * z, X * 1j)[1](X * 1j)
        jvp(lambda x: x * x, (X,), (X,))
        trainer = lk.Trainer(nn.Linear(2, 1), "mse")
        trainer.step(np.ones((4, 2), "float32"), np.zeros((4, 1), "float32"))


def test_many_leaves_are_not_all_listed():
    def fn(xs):
        return array_namespace(xs[0]).log(sum(total(x) for x in xs))

    text = caught_in(fn, [np.zeros(2) for _ in range(7)])
    assert "argument 0[" in text
    assert text.splitlines()[0].endswith("and 3 more")


def test_blocks_nest_and_end():
    with detect_anomaly():
        with detect_anomaly():
            pass
        assert observer.get() is not None
    assert observer.get() is None
    assert np.isinf(grad(lambda x: total(array_namespace(x).sqrt(x)))(X)[2])


def test_it_is_at_the_top_level():
    assert lk.detect_anomaly is detect_anomaly
