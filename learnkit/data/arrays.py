"""Preprocessors for arrays: images share one scale, columns of a matrix have one each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from learnkit.data.fields import Fields
from learnkit.data.moments import mean_and_std
from learnkit.data.npfile import check_features
from learnkit.data.preprocessor import Preprocessor, check_finite
from learnkit.data.target import TargetCode
from learnkit.errors import DataError

__all__ = ["ArrayPreprocessor", "ImagePreprocessor", "fit_array"]


def fit_array(x: NDArray[Any], target: TargetCode) -> ArrayPreprocessor | ImagePreprocessor:
    """The preprocessor that suits an array: images if it is uint8 or has more than two dimensions.

    >>> code = TargetCode("y", "classification", (0, 1))
    >>> fit_array(np.zeros((2, 8, 8), dtype=np.uint8), code).kind, fit_array(np.eye(2), code).kind
    ('image', 'array')
    """
    if x.dtype == np.uint8 or x.ndim > 2:
        return ImagePreprocessor.fit(x, target)
    return ArrayPreprocessor.fit(x, target)


class _Flat(Preprocessor):
    """Rows of one shape, flattened."""

    shape: tuple[int, ...]

    @property
    def n_features(self) -> int:
        return math.prod(self.shape)

    def review(self, features: Any) -> tuple[str, ...]:
        self._flattened(features)
        return ()

    def _flattened(self, features: Any) -> NDArray[Any]:
        x = check_features("features", features)
        flat = (math.prod(self.shape),)
        if x.shape[1:] not in (self.shape, flat):
            raise DataError(f"a row has shape {x.shape[1:]}, expected {self.shape} as in training")
        return x.reshape(len(x), -1)

    def _scaled(self, features: Any, mean: Any, std: Any) -> NDArray[np.float32]:
        x = self._flattened(features)
        # 8-bit values fit float32 exactly; others are centred in float64 so that no digit is lost.
        exact = x.dtype.itemsize == 1
        scaled: Any = x.astype(np.float32 if exact else np.float64)
        with np.errstate(over="ignore"):
            scaled -= mean
            scaled /= std
            matrix: NDArray[np.float32] = scaled.astype(np.float32, copy=False)
        if not exact:
            check_finite(matrix, lambda row: f"row {row}", lambda feature: f"feature {feature}")
        return matrix


@dataclass(frozen=True)
class ImagePreprocessor(_Flat):
    """Images: ``(x - mean) / std`` with one mean and one standard deviation over all values, then flattened.

    Pixels are comparable with each other, so one scale keeps their contrast, and a pixel that is dark in
    nearly every training image is not blown up.

    Attributes:
        target: how the target is coded.
        shape: the shape of one image, such as (28, 28).
        mean: the mean over the training images.
        std: their population standard deviation.
    """

    kind: ClassVar[str] = "image"
    target: TargetCode
    shape: tuple[int, ...]
    mean: float
    std: float

    @classmethod
    def fit(cls, x: NDArray[Any], target: TargetCode) -> ImagePreprocessor:
        """Mean and standard deviation of the training images ``x``, (n, ...)."""
        mean, std = mean_and_std(x)
        return cls(target, tuple(x.shape[1:]), float(mean), float(std))

    def transform(self, features: Any) -> NDArray[np.float32]:
        return self._scaled(features, self.mean, self.std)

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "target": self.target.to_dict(),
            "shape": list(self.shape),
            "mean": self.mean,
            "std": self.std,
        }

    @classmethod
    def from_fields(cls, fields: Fields, target: TargetCode) -> ImagePreprocessor:
        return cls(target, fields.shape("shape"), fields.number("mean"), fields.number("std", positive=True))


@dataclass(frozen=True)
class ArrayPreprocessor(_Flat):
    """Columns of measurements: ``(x - mean) / std`` column by column.

    A column that was constant in training has the standard deviation 1 and so becomes zero.

    Attributes:
        target: how the target is coded.
        shape: the shape of one row.
        mean: the mean of each column of the training rows.
        std: their population standard deviations.
    """

    kind: ClassVar[str] = "array"
    target: TargetCode
    shape: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def fit(cls, x: NDArray[Any], target: TargetCode) -> ArrayPreprocessor:
        """Mean and standard deviation of each column of the training rows ``x``, (n, features)."""
        mean, std = mean_and_std(x.reshape(len(x), -1), axis=0)
        return cls(target, tuple(x.shape[1:]), tuple(mean.tolist()), tuple(std.tolist()))

    def transform(self, features: Any) -> NDArray[np.float32]:
        return self._scaled(features, np.array(self.mean), np.array(self.std))

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "target": self.target.to_dict(),
            "shape": list(self.shape),
            "mean": list(self.mean),
            "std": list(self.std),
        }

    @classmethod
    def from_fields(cls, fields: Fields, target: TargetCode) -> ArrayPreprocessor:
        shape = fields.shape("shape")
        size = math.prod(shape)
        return cls(target, shape, fields.numbers("mean", size), fields.numbers("std", size, positive=True))
