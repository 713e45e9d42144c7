"""The bundled digits are the ones of the UCI repository, to the last value."""

from __future__ import annotations

import hashlib
from importlib import resources

import numpy as np

from learnkit.data import load_digits


def test_values() -> None:
    x, y = load_digits()
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((1797, 64), np.uint8, (1797,), np.int64)
    assert (int(x.min()), int(x.max()), int(x.sum(dtype=np.int64))) == (0, 16, TOTAL)
    assert hashlib.sha256(x.tobytes()).hexdigest() == X_SHA256
    assert hashlib.sha256(y.astype(np.uint8).tobytes()).hexdigest() == Y_SHA256


def test_class_counts() -> None:
    assert np.bincount(load_digits()[1]).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_first_rows() -> None:
    x, y = load_digits()
    assert y[:10].tolist() == list(range(10))
    assert x[0, :16].tolist() == [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0]
    assert x[1, :16].tolist() == [0, 0, 0, 12, 13, 5, 0, 0, 0, 0, 0, 11, 16, 9, 0, 0]


def test_size() -> None:
    assert len(resources.files("learnkit.data").joinpath("digits.npz").read_bytes()) < 100_000


TOTAL = 561718
X_SHA256 = "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3"
Y_SHA256 = "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0"
