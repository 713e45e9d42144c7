"""Trained models in formats for other programs.

An exporter is a function ``export(trainer, path, *, extra, ...)`` under the hook
``learnkit_register_exporters``. Two are built in: ``npz``, the weights for any program that reads NumPy's
files, and ``json``, what the model is.
"""

from __future__ import annotations

import inspect
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learnkit.data.npfile import write_npz
from learnkit.errors import ArgumentError, BackendError, LearnkitError, PluginError, did_you_mean
from learnkit.plugins import registry
from learnkit.plugins.spec import parse_spec

if TYPE_CHECKING:
    from learnkit.training.trainer import Trainer

__all__ = ["export", "export_json", "export_npz", "find_exporter"]

#: What an exporter is given that is no option.
_GIVEN = ("trainer", "path", "extra")


def export(
    trainer: Trainer,
    path: str | os.PathLike[str],
    *,
    format: str | Mapping[str, Any] | Callable[..., Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """Write a trained model in another format.

    The model holds the weights to deploy while it is written: the averaged ones, where the optimizer
    averages. The file appears when it is whole; a failure leaves an older one as it was.

    Args:
        trainer: whose model is written.
        path: of the file; missing folders are made.
        format: a registered name with options, ``"npz"``, ``"npz:compress=true"``, or a function; ``None``
            takes the one that is called like the ending of ``path``.
        extra: plain values to keep with it, such as preprocessing, for formats that have a place for them.

    Returns:
        The path.

    Raises:
        UnknownNameError: no exporter of that name is registered.
        ArgumentError: an option is unknown, or the format cannot hold the model.
        BackendError: the file cannot be written.
        PluginError: the exporter failed.

    >>> import learnkit as lk
    >>> trainer = lk.Trainer(lk.nn.Linear(2, 1), "mse")
    >>> lk.export(trainer, "model.npz").name
    'model.npz'
    """
    target = Path(path)
    name, exporter, options = find_exporter(target.suffix.lstrip(".") if format is None else format)
    if _takes(exporter, "extra"):
        options["extra"] = dict(extra or {})
    place = target.parent / f".{target.name}.tmp-{os.getpid()}"
    trainer.backend.activate()
    try:
        place.mkdir(parents=True)
        with trainer.averaged_weights():
            exporter(trainer, place / target.name, **options)
        written = sorted(place.iterdir())
        if place / target.name not in written:
            raise PluginError(f"exporter {name!r} returned without writing {target.name}")
        for file in written:
            file.replace(target.parent / file.name)
    except LearnkitError:
        raise
    except OSError as error:
        raise BackendError(f"cannot write {target}: {error.strerror or error}") from error
    except Exception as error:
        raise PluginError(f"exporter {name!r} failed: {type(error).__name__}: {error}") from error
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return target


def find_exporter(spec: Any) -> tuple[str, Callable[..., Any], dict[str, Any]]:
    """Name, function and options of an exporter, checked against its parameters.

    Raises:
        UnknownNameError, ArgumentError: as for :func:`export`.
    """
    if callable(spec):
        return getattr(spec, "__name__", type(spec).__name__), spec, {}
    if isinstance(spec, Mapping):
        options = dict(spec)
        options.pop("kind", None)
        name = options.pop("name", None)
        if not isinstance(name, str):
            raise ArgumentError(f"export: format {dict(spec)!r} has no name")
    elif not spec:
        raise ArgumentError(
            "export: the path has no ending that would tell the format",
            hint=f"give format=, one of: {', '.join(registry.names('exporter'))}",
        )
    else:
        name, options = parse_spec(spec)
    exporter = registry.get("exporter", name)
    known = [p for p in inspect.signature(exporter).parameters if p not in _GIVEN]
    for option in options:
        if not _takes(exporter, option) or option in _GIVEN:
            raise ArgumentError(
                f"exporter {name!r} has no option {option!r}{did_you_mean(option, known)}",
                hint=f"options: {', '.join(known)}" if known else "it takes no options",
            )
    return name, exporter, options


def _takes(exporter: Callable[..., Any], option: str) -> bool:
    parameters = inspect.signature(exporter).parameters
    return option in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def export_npz(
    trainer: Trainer, path: Path, *, extra: Mapping[str, Any] | None = None, compress: bool = False
) -> None:
    """Weights and buffers as NumPy arrays by their path, and the key ``learnkit`` with what ``json`` writes.

    Args:
        trainer, path, extra: see :func:`export`.
        compress: whether to pack the file.

    ``numpy.load("model.npz")["0.weight"]`` reads one; nothing in it is pickled.
    """
    to_numpy = trainer.backend.to_numpy
    arrays = {name: to_numpy(array) for name, array in trainer.model.arrays().items()}
    text = json.dumps(_description(trainer, extra or {}))
    write_npz(path, {**arrays, "learnkit": text}, compress=bool(compress))


def export_json(
    trainer: Trainer, path: Path, *, extra: Mapping[str, Any] | None = None, indent: int = 2
) -> None:
    """What the model is, without its weights: layers with options, shapes, loss, optimizer and ``extra``.

    Args:
        trainer, path, extra: see :func:`export`.
        indent: of the text, >= 0.
    """
    if type(indent) is not int or indent < 0:
        raise ArgumentError(f"json: indent is {indent!r}, expected an integer >= 0")
    path.write_text(json.dumps(_description(trainer, extra or {}), indent=indent) + "\n", encoding="utf-8")


def _description(trainer: Trainer, extra: Mapping[str, Any]) -> dict[str, Any]:
    from learnkit import __version__

    arrays = trainer.model.arrays()
    return {
        "format": "learnkit",
        "version": __version__,
        "model": registry.describe(trainer.model, "layer"),
        "arrays": {
            name: {"shape": list(a.shape), "dtype": str(trainer.backend.to_numpy(a).dtype)}
            for name, a in arrays.items()
        },
        "loss": registry.describe(trainer.loss, "loss"),
        "optimizer": registry.describe(trainer.optimizer, "optimizer"),
        "steps": trainer.steps_done,
        "epochs": trainer.epochs_done,
        "extra": dict(extra),
    }
