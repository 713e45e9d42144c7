"""A gradient belongs to whoever asked for it: nothing else refers to its memory; nor is it copied in vain."""

from __future__ import annotations

import numpy as np
import pytest

import learnkit as lk
from learnkit.backends.base import kernels_of


def xp_of(x):
    return lk.array_namespace(x)


#: Rules that pass on what they were given, a view of it, one array twice, or what they saved.
PASSING_ON = {
    "identity": lambda x, y: x + 0.0 * y,
    "one array for both": lambda x, y: x + y,
    "a view": lambda x, y: xp_of(x).reshape(xp_of(x).permute_dims(x, (1, 0)), (3, 2)) + y,
    "a part": lambda x, y: xp_of(x).concat([x[:1, :], y[1:, :]]),
    "what was saved": lambda x, y: xp_of(x).exp(x) * xp_of(x).tanh(y),
    "twice": lambda x, y: x * x + y,
    "the other argument": lambda x, y: x * y,
}


@pytest.mark.parametrize("name", PASSING_ON)
def test_nothing_else_refers_to_a_gradient(name):
    f = PASSING_ON[name]
    x, y, g = (np.random.default_rng(i).normal(size=(3, 2)) for i in range(3))
    given = [a.copy() for a in (x, y, g)]
    value, pullback = lk.vjp(f, x, y)
    first = pullback(g)
    second = pullback(g)
    arrays = [*first, *second]
    for i, a in enumerate(arrays):
        assert not any(np.shares_memory(a, b) for b in (x, y, g, value, *arrays[i + 1 :]))
    expected = [a.copy() for a in second]
    for a in first:
        a[...] = np.nan  # it is the caller's
    for a, before in zip((x, y, g), given, strict=True):
        np.testing.assert_array_equal(a, before)
    for a, b in zip(second, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(pullback(g), expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_new_array_is_not_copied(monkeypatch):
    x = np.ones((3, 2))
    copied = []
    kernels = kernels_of(x)
    plain = kernels.copy
    monkeypatch.setattr(kernels, "copy", lambda a: copied.append(a) or plain(a))
    lk.grad(lambda a: xp_of(a).sum(xp_of(a).exp(a)))(x)
    assert copied == []
    _, pullback = lk.vjp(lambda a, b: a + b, x, x)
    pullback(np.ones((3, 2)))
    assert len(copied) == 2
