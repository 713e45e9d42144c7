"""A saved run: one safetensors file, with everything that is not an array as JSON in its header.

=================  ==================================================================================
tensors            each leaf of the model under its dotted path; each optimizer slot, a vector laid
                   out like theta, under ``optimizer/<slot>``; one of several arrays, such as one for each
                   leaf, under ``optimizer/<slot>/0``, ``/1``, ...
metadata           one key ``learnkit``: ``{"format": 1, "sha256": ..., "content": {...}}``
content            model, loss, optimizer, metrics and augmentation by registered name and options; the
                   plugins that they come from, and the kernels trained with; seed, dtype, step and
                   epoch counts; history; states of callbacks; the caller's ``extra``
sha256             over the content and all tensors, so that a flipped bit does not load silently
=================  ==================================================================================

Loading executes nothing from the file: components are built by name from the registry. Two equal runs
give equal bytes, so there is no time and no host in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learnkit.backends.base import Array, Backend
from learnkit.errors import ArgumentError, CheckpointError, MissingDependencyError
from learnkit.plugins import registry, runs
from learnkit.plugins.provenance import check_origins, origins, other_versions
from learnkit.plugins.versions import restoring
from learnkit.training.callbacks import Callback
from learnkit.training.files import write_atomically
from learnkit.training.history import History

if TYPE_CHECKING:
    from learnkit.training.trainer import Trainer

__all__ = ["FORMAT", "load_trainer", "read_content", "save_trainer"]

#: Version of the layout above. A reader refuses a newer one.
FORMAT = 1

_KEY = "learnkit"
_SLOT = "optimizer/"
_HEADER_LIMIT = 16 * 2**20


def save_trainer(trainer: Trainer, path: Path, extra: Mapping[str, Any]) -> Path:
    """See :meth:`learnkit.training.trainer.Trainer.save`."""
    safetensors = _safetensors()
    to_numpy = trainer.backend.to_numpy
    arrays = {name: to_numpy(a) for name, a in trainer.model.arrays().items()}
    for name, slots in trainer.optimizer_state.slots.items():
        for i, slot in enumerate(slots):
            arrays[_slot_path(name, i, len(slots))] = to_numpy(slot)
    components = _described(trainer)
    plugins = origins(components)
    content = {
        "learnkit": _version(),
        **components,
        **({"plugins": plugins} if plugins else {}),
        "seed": trainer.seed,
        "dtype": trainer.dtype,
        "backend": trainer.backend.name,
        "step": trainer.optimizer_state.step,
        "pending": trainer.optimizer_state.pending,
        "frozen": [p for p, leaf in trainer.model.parameters().items() if not leaf.trainable],
        "total_steps": trainer.total_steps,
        "steps_per_epoch": trainer.steps_per_epoch,
        "epochs": trainer.epochs_done,
        "history": trainer.history.records(timing=False),
        "callbacks": [c.state() for c in trainer.callbacks],
        "extra": dict(extra),
    }
    text = _json(content)
    header = _json({"format": FORMAT, "sha256": _digest(text, arrays), "content": json.loads(text)})
    written = write_atomically(path, safetensors.numpy.save(arrays, metadata={_KEY: header}))
    runs.saved(trainer, written)
    return written


def _described(trainer: Trainer) -> dict[str, Any]:
    """All components of a run; augmentation and kernels only if there are any."""
    described: dict[str, Any] = {
        "model": registry.describe(trainer.model, "layer"),
        "loss": registry.describe(trainer.loss, "loss"),
        "optimizer": registry.describe(trainer.optimizer, "optimizer"),
        "metrics": {name: registry.describe(m, "metric") for name, m in trainer.metrics.items()},
    }
    if trainer.augment is not None:
        described["augment"] = registry.describe(trainer.augment, "augmentation")
    trainer.note_kernels()
    if trainer.kernels:
        described["kernels"] = trainer.kernels
    return described


def load_trainer(
    cls: type[Trainer],
    path: Path,
    backend: str | Backend | None,
    device: str | None,
    callbacks: Sequence[Callback],
) -> Any:
    """See :meth:`learnkit.training.trainer.Trainer.load`."""
    content, arrays = _read(path)
    try:
        check_origins(path, content.get("plugins", ()))
        with restoring():
            trainer = cls(
                registry.create("layer", content["model"]),
                registry.create("loss", content["loss"]),
                registry.create("optimizer", content["optimizer"]),
                backend=backend,
                device=device,
                dtype=content["dtype"],
                seed=content["seed"],
                callbacks=callbacks,
                augment=content.get("augment"),
            )
            trainer.metrics = {n: registry.create("metric", m) for n, m in content["metrics"].items()}
        trainer.kernels = list(content.get("kernels", ()))
        slots = {n: a for n, a in arrays.items() if n.startswith(_SLOT)}
        trainer.model.load_arrays({n: a for n, a in arrays.items() if n not in slots})
        trainer.lay_out()  # if sizes were not known before
        for name, leaf in trainer.model.parameters().items():
            leaf.trainable = name not in content.get("frozen", ())
        _load_slots(trainer, slots)
        trainer.optimizer_state.step = content["step"]
        trainer.optimizer_state.pending = content.get("pending", 0)
        trainer.epochs_done = content["epochs"]
        trainer.history = History.from_records(content["history"])
        if content["total_steps"] is not None:
            trainer.schedule(content["total_steps"], content.get("steps_per_epoch"))
        for callback, state in zip(callbacks, content["callbacks"], strict=False):
            if state:
                callback.load_state(state)
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: the saved run is incomplete or malformed ({error})") from error
    except ArgumentError as error:
        raise CheckpointError(
            f"{path}: the saved run cannot be built again: {error.message}",
            hint="\n".join(filter(None, (error.hint, other_versions(content.get("plugins", ())))))
            or "if the component comes from a plugin, install that plugin",
        ) from error
    except CheckpointError as error:
        if not error.message.startswith(f"{path}: "):
            error.message = f"{path}: {error.message}"
        raise
    return trainer


def read_content(path: str | Path) -> dict[str, Any]:
    """What a saved run says of itself, without building anything: see the module's table.

    Raises:
        CheckpointError: the file is missing, damaged, of another kind, or of a newer format.
    """
    return _read(Path(path))[0]


def _slot_path(name: str, i: int, count: int) -> str:
    return f"{_SLOT}{name}" if count == 1 else f"{_SLOT}{name}/{i}"


def _load_slots(trainer: Trainer, saved: dict[str, Array]) -> None:
    own, growing = trainer.optimizer_state.slots, trainer.optimizer.growing
    found: dict[str, list[str]] = {name: [] for name in own}
    for path in sorted(saved, key=_number):
        name = path.removeprefix(_SLOT)
        base, _, number = name.rpartition("/")
        found.setdefault(base if number.isdecimal() and base in own else name, []).append(path)
    counts = {name: (len(slots), len(found[name])) for name, slots in own.items() if name not in growing}
    if set(found) != set(own) or any(a != b for a, b in counts.values()):
        needed = [_slot_path(n, i, len(slots)) for n, slots in own.items() for i in range(len(slots))]
        raise CheckpointError(
            f"the file holds the optimizer slots {sorted(saved)}, this optimizer needs {sorted(needed)}"
        )
    for name, paths in found.items():
        new = [trainer.backend.asarray(saved[path]) for path in paths]
        if name not in growing:
            for path, array, slot in zip(paths, new, own[name], strict=True):
                if tuple(array.shape) != tuple(slot.shape):
                    raise CheckpointError(
                        f"slot {path!r} has shape {tuple(array.shape)}, expected {tuple(slot.shape)}"
                    )
        own[name] = new


def _number(path: str) -> tuple[str, int]:
    """For sorting: the slots of a list in their order, the tenth after the ninth."""
    base, _, number = path.rpartition("/")
    return (base, int(number)) if number.isdecimal() else (path, 0)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """Content and arrays of a saved run, checked against its digest."""
    safetensors = _safetensors()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise CheckpointError(f"{path} {what}; expected a file written by Trainer.save")
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
        if length > _HEADER_LIMIT:
            raise CheckpointError(
                f"{path} is no saved run: it claims a header of {length:,} bytes, more than {_HEADER_LIMIT:,}"
            )
        with safetensors.safe_open(path, framework="numpy") as opened:
            metadata = opened.metadata() or {}
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}") from error
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path} is no saved run or is damaged: {error}") from error
    try:
        header = json.loads(metadata[_KEY])
        version, digest, content = header["format"], header["sha256"], header["content"]
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} is a safetensors file, but not one written by learnkit's Trainer.save"
        ) from error
    if type(version) is not int or version > FORMAT:
        raise CheckpointError(
            f"{path} has format {version!r}; learnkit {_version()} reads up to {FORMAT}",
            hint=f"it was made by learnkit {content.get('learnkit', '?')}; "
            "upgrade with pip install -U pylearnkit",
        )
    if digest != _digest(_json(content), arrays):
        raise CheckpointError(
            f"{path} is damaged: its checksum does not match its content",
            hint="copy it again from where it came from, or use an older copy",
        )
    return content, arrays


def _digest(text: str, arrays: Mapping[str, Any]) -> str:
    total = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        total.update(f"\n{name} {array.dtype} {tuple(array.shape)}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def _json(value: Any) -> str:
    """Canonical JSON: equal values give equal text."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    except TypeError as error:
        raise ArgumentError(
            f"save: a value cannot be written as JSON: {error}",
            hint="extra may hold strings, numbers, lists and dicts of them",
        ) from error


def _version() -> str:
    from learnkit import __version__

    return __version__


def _safetensors() -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as error:
        raise MissingDependencyError(
            "saving and loading runs needs safetensors, which is not installed",
            hint='pip install "pylearnkit[cli]"',
        ) from error
    return safetensors
