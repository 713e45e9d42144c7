"""Devices."""

from __future__ import annotations

from typing import Any

from .._audit import audit


class Device:
    """The device of that number; only number 0 can be used."""

    def __init__(self, device: Any = None) -> None:
        self.id: int = 0 if device is None else device.id if isinstance(device, Device) else int(device)

    def use(self) -> None:
        from .runtime import CUDARuntimeError

        if self.id:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def synchronize(self) -> None:
        audit.sync("Device.synchronize")

    @property
    def compute_capability(self) -> str:
        return "90"

    def __enter__(self) -> Device:
        self.use()
        return self

    def __exit__(self, *exc: object) -> None: ...

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self) -> int:
        return hash(("cuda", self.id))

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"
