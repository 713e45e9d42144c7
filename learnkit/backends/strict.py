"""array-api-strict: the standard and nothing else, for finding code that only some libraries run.

Its arrays live, by default, on a device that is not the host's, so that every hidden conversion to NumPy
and every creation call without a device is an error.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from learnkit.backends.base import Array, Backend
from learnkit.backends.kernels import Kernels
from learnkit.backends.numpy import refuse_foreign
from learnkit.errors import ArgumentError, MissingDependencyError

__all__ = ["StrictBackend"]

_DEVICES = ("CPU_DEVICE", "device1", "device2")


class StrictBackend(Backend):
    """array-api-strict on one of its make-believe devices, with the generic kernels.

    Args:
        device: ``"device1"`` (also ``None``), ``"device2"`` or ``"CPU_DEVICE"``.

    Raises:
        MissingDependencyError: array-api-strict is not installed.
        ArgumentError: another device is asked for.
    """

    name = "strict"
    array_types = ("array_api_strict._array_object.Array",)

    def __init__(self, device: str | None = None) -> None:
        try:
            import array_api_strict
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                "backend 'strict' needs array-api-strict, which is not installed",
                hint="pip install array-api-strict",
            ) from error
        device = "device1" if device is None else device
        if device not in _DEVICES:
            raise ArgumentError(
                f"backend 'strict' has no device {device!r}: expected one of {', '.join(_DEVICES)}"
            )
        self.xp = array_api_strict
        self.device = array_api_strict.Device(device)
        self._host = array_api_strict.Device("CPU_DEVICE")
        self.kernels = Kernels(self.xp)

    @classmethod
    def device_name(cls, device: Any) -> str:
        return str(device).removeprefix("array_api_strict.Device('").removesuffix("')")

    def asarray(self, x: Any, dtype: str | None = None) -> Array:
        refuse_foreign(x, self)
        if hasattr(x, "to_device"):
            x = self.xp.asarray(x).to_device(self.device)
        return super().asarray(x, dtype)

    def quiet(self) -> AbstractContextManager[Any]:
        import numpy as np

        return np.errstate(all="ignore")

    def to_numpy(self, x: Array) -> Any:
        import numpy as np

        return np.asarray(x.to_device(self._host))
