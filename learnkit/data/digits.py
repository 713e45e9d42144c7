"""The optical digits of the UCI repository: 1797 images of handwritten digits, bundled.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
Repository, 1998, https://doi.org/10.24432/C50P49, the file ``optdigits.tes``. Licence: Creative Commons
Attribution 4.0 International (CC BY 4.0). The values are unchanged; they are stored as ``uint8``, compressed.

Each image was made from a 32 x 32 bitmap of a form filled in by hand: the bitmap is cut into blocks of 4 x 4
and the dots in each block are counted, which gives 8 x 8 values from 0 to 16.
"""

from __future__ import annotations

from importlib import resources

import numpy as np
from numpy.typing import NDArray

__all__ = ["load_digits"]


def load_digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images and their labels.

    Returns:
        ``x`` of shape (1797, 64), values 0 to 16, each row an 8 x 8 image from the top left; and ``y`` of
        shape (1797,), the digits 0 to 9.

    >>> x, y = load_digits()
    >>> x.shape, int(x.max()), y[:5].tolist()
    ((1797, 64), 16, [0, 1, 2, 3, 4])
    """
    with resources.files("learnkit.data").joinpath("digits.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        return arrays["x"], arrays["y"].astype(np.int64)
