"""Adding rows at indices that repeat."""

from __future__ import annotations

import numpy as np
import pytest

from learnkit.backends import get_backend, scatter
from learnkit.backends.kernels import Kernels
from learnkit.errors import ArgumentError, ShapeError

CASES = {
    "vector": ((5,), [1, 1, 0, 4, 1]),
    "rows": ((6, 3), [0, 5, 5, 5, 2, 0, 0]),
    "blocks": ((4, 2, 3), [3, 3, 1]),
    "one row": ((1, 4), [0, 0, 0]),
    "no index": ((3, 2), []),
    "no column": ((3, 0), [1, 2]),
}


def versions(backend):
    return {"own": backend.kernels.index_add, "generic": Kernels(backend.xp).index_add}


def example(shape, indices):
    rng = np.random.default_rng(0)
    x, indices = rng.normal(size=shape), np.array(indices, dtype=np.int64)
    values = rng.normal(size=(len(indices), *shape[1:]))
    want = x.copy()
    np.add.at(want, indices, values)
    return x, indices, values, want


@pytest.mark.parametrize("version", ["own", "generic"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("index_dtype", ["int32", "int64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_repeated_indices_accumulate(backend, version, case, index_dtype, dtype):
    """Every value arrives, and the array given stays as it was."""
    x, indices, values, want = example(*CASES[case])
    given = backend.asarray(x, dtype)
    args = (given, backend.asarray(indices, index_dtype), backend.asarray(values, dtype))
    with backend.no_sync():
        got = versions(backend)[version](*args)
    backend.assert_array(got, want, like=given)
    backend.assert_array(given, x.astype(dtype), rtol=0, atol=0)


def test_generic_version_in_chunks_gives_the_same(backend, monkeypatch):
    """Large problems are cut into pieces of bounded size."""
    x, indices, values, want = example((6, 3), [0, 5, 5, 5, 2, 0, 0])
    monkeypatch.setattr(scatter, "_CHUNK", 12)
    given = backend.asarray(x)
    got = versions(backend)["generic"](given, backend.asarray(indices), backend.asarray(values))
    backend.assert_array(got, want, like=given)


@pytest.mark.parametrize("version", ["own", "generic"])
def test_integers_are_added_exactly(backend, version):
    x = backend.asarray(np.arange(3), "int64")
    got = versions(backend)[version](x, backend.asarray(np.array([2, 2])), backend.asarray(np.array([5, 7])))
    backend.assert_array(got, [0, 1, 14], like=x, rtol=0, atol=0)


@pytest.mark.parametrize("version", ["own", "generic"])
@pytest.mark.parametrize(
    ("x", "indices", "values", "message"),
    [
        ((), (2,), (2,), "index_add needs an array of at least one dimension, got a 0-d array"),
        ((4,), (2, 1), (2, 1), "index_add expects a vector of indices, got shape (2, 1)"),
        (
            (4, 3),
            (2,),
            (2, 4),
            "index_add expects values of shape (2, 3) for 2 indices into an array of shape (4, 3), "
            "got (2, 4)",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused(backend, version, x, indices, values, message):
    args = (
        backend.asarray(np.zeros(x)),
        backend.asarray(np.zeros(indices, np.int64)),
        backend.asarray(np.zeros(values)),
    )
    with pytest.raises(ShapeError) as caught:
        versions(backend)[version](*args)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize("index", [4, -1])
def test_index_out_of_range_is_an_error_on_the_host(name, index):
    """A device is not asked: that would make the host wait."""
    pytest.importorskip(name)
    there = get_backend(name)
    x, indices = there.asarray(np.zeros((4, 2))), there.asarray(np.array([0, index]))
    with pytest.raises(ArgumentError) as caught:
        there.kernels.index_add(x, indices, there.asarray(np.ones((2, 2))))
    assert str(caught.value) == f"index {index} is out of range for 4 rows: expected 0 <= index < 4"
