"""Everything that decides a run of ``learnkit train``, and the TOML file that holds it.

The keys of the file are the options of the command with ``_`` for ``-``. A component is written as text,
``optimizer = "adamw:weight_decay=0.1"``, or as a table::

    source = "data.csv"
    target = "price"
    hidden = [128, 64]

    [optimizer]
    name = "adamw"
    weight_decay = 0.1

What is left out takes its default; the defaults that depend on the data are chosen when it has been read.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from learnkit.errors import ArgumentError, MissingDependencyError, did_you_mean

__all__ = ["RunConfig", "Spec", "read_config", "write_config"]

#: A component as the registry takes it: ``"huber:delta=2"`` or ``{"name": "huber", "delta": 2}``.
Spec = str | Mapping[str, Any]


@dataclass(frozen=True)
class RunConfig:
    """The options of a run. ``None`` is a default that is chosen later, or an option that is not used.

    Attributes:
        source: a data set or path, as :func:`learnkit.data.load_source` takes it.
        target, task, sep, header, missing, ignore, categorical: how it is read; see there.
        hidden: widths of the hidden layers; empty for a linear model.
        dropout: in [0, 1); ``None`` is chosen by the number of rows and the task.
        activation, loss, optimizer, schedule: components; ``None`` is chosen by the task.
        init, constraint: components, of the weights of the hidden layers; ``None`` is what ``Linear`` has.
        layer: a component, put behind each hidden layer and given its width.
        transform, metric, callback: lists of components, in front of the optimizer, reported, and called.
        augment: a list of components, what is done to each training batch.
        kernels: what replaces the backend's own, one name or several with commas.
        lr: the learning rate, and the peak of the schedule; ``None`` is the optimizer's.
        clip: the largest global norm of a gradient; 0 for no clipping.
        epochs, batch_size: >= 1; ``None`` is chosen by the number of rows.
        test, validation: the shares held out, in [0, 1).
        patience: epochs without improvement after which training stops; ``None`` for never.
        seed: in [0, 2**64).
        backend, device: ``None`` is the one in force.
        dtype: ``"float32"`` or ``"float64"``.
        origin: where each given option comes from, for messages: ``{"epochs": "--epochs"}``.

    Raises:
        ArgumentError: a value is of a wrong type or out of range.
    """

    source: str | None = None
    target: str | None = None
    task: str | None = None
    sep: str | None = None
    header: bool = True
    missing: str = "error"
    ignore: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    hidden: tuple[int, ...] = (128, 128)
    dropout: float | None = None
    activation: Spec = "relu"
    loss: Spec | None = None
    optimizer: Spec | None = None
    schedule: Spec = "onecycle"
    init: Spec | None = None
    constraint: Spec | None = None
    layer: Spec | None = None
    transform: tuple[Spec, ...] = ()
    metric: tuple[Spec, ...] = ()
    callback: tuple[Spec, ...] = ()
    augment: tuple[Spec, ...] = ()
    kernels: str | None = None
    lr: float | None = None
    clip: float = 1.0
    epochs: int | None = None
    batch_size: int | None = None
    test: float = 0.2
    validation: float = 0.1
    patience: int | None = None
    seed: int = 0
    backend: str | None = None
    device: str | None = None
    dtype: str = "float32"
    origin: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        for f in fields(self):
            if f.name == "origin":
                continue
            value = getattr(self, f.name)
            if isinstance(value, list):
                value = tuple(value)
                object.__setattr__(self, f.name, value)
            if value is None and f.default is None:
                continue
            fits, expected = _RULES[f.name]
            if not fits(value):
                raise ArgumentError(f"{self.label(f.name)} is {_shown(value)}, expected {expected}")
        if self.test + self.validation >= 1:
            raise ArgumentError(
                f"{self.label('test')} {self.test:g} and {self.label('validation')} {self.validation:g} "
                "leave no rows to train on; expected a sum below 1"
            )
        if self.patience is not None and self.validation == 0:
            raise ArgumentError(
                f"{self.label('patience')} watches the validation loss, and there is no validation part",
                hint="leave --patience out, or give --validation a share such as 0.1",
            )

    def label(self, name: str) -> str:
        """What a message calls an option: ``--epochs``, or ``run.toml: epochs``, or its name."""
        return self.origin.get(name, name)

    def with_options(self, options: Mapping[str, Any], origin: Mapping[str, str]) -> RunConfig:
        """This configuration with ``options`` in place of its own; they win.

        A learning rate belongs to its optimizer: a new ``optimizer`` drops an older ``lr``, and a new
        ``lr`` replaces the one that is written inside an older optimizer.
        """
        merged = dict(options)
        if "optimizer" in options and "lr" not in options:
            merged["lr"] = None
        if "lr" in options and "optimizer" not in options and isinstance(self.optimizer, str | Mapping):
            merged["optimizer"] = _without_lr(self.optimizer)
        return replace(self, **merged, origin={**self.origin, **origin})

    def to_dict(self) -> dict[str, Any]:
        """Plain values without those that are ``None``; :meth:`from_dict` gives an equal configuration."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "origin"}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value is not None
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "config") -> RunConfig:
        """The configuration of a decoded file.

        Raises:
            ArgumentError: a key is unknown, or a value is wrong; the message names ``where`` and the key.
        """
        for key in values:
            if key not in _RULES:
                raise ArgumentError(
                    f"{where}: unknown key {key!r}{did_you_mean(key, _RULES)}",
                    hint=f"known: {', '.join(_RULES)}",
                )
        return cls(**values, origin={key: f"{where}: {key}" for key in values})


def read_config(path: str | Path) -> RunConfig:
    """Read a TOML file.

    Raises:
        ArgumentError: it cannot be read, is not TOML, or holds an unknown key or a wrong value.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ArgumentError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ArgumentError(f"{path}: byte {error.start} is not UTF-8, expected a TOML file") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ArgumentError(f"{path} is not a TOML file: {error}") from error
    return RunConfig.from_dict(values, str(path))


def write_config(config: RunConfig) -> str:
    """The configuration as TOML.

    Raises:
        MissingDependencyError: tomli-w is not installed.
    """
    try:
        import tomli_w
    except ImportError as error:
        raise MissingDependencyError(
            "writing TOML needs tomli-w, which is not installed", hint='pip install "pylearnkit[cli]"'
        ) from error
    return str(tomli_w.dumps(config.to_dict()))


def _without_lr(spec: Spec) -> Spec:
    from learnkit.plugins.spec import parse_spec

    name, options = parse_spec(spec) if isinstance(spec, str) else ("", {})
    mapping: dict[str, Any] = {"name": name, **options} if isinstance(spec, str) else dict(spec)
    if "lr" not in mapping:
        return spec
    del mapping["lr"]
    return mapping


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, float) else repr(value)


def _number(value: Any) -> bool:
    return type(value) in (int, float) and -math.inf < value < math.inf


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _texts(value: Any) -> bool:
    return isinstance(value, tuple) and all(_text(item) for item in value)


def _component(value: Any) -> bool:
    return _text(value) or (isinstance(value, Mapping) and _text(value.get("name")))


def _components(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(_component, value))


def _count(least: int, below: int | None = None) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and value >= least and (below is None or value < below)


def _share(value: Any) -> bool:
    return _number(value) and 0 <= value < 1


def _one_of(*known: str) -> tuple[Callable[[Any], bool], str]:
    return (lambda value: isinstance(value, str) and value in known), f"one of {', '.join(known)}"


_NAMED = 'a component: text "name" or "name:option=value", or a table with the key name'

_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "source": (_text, "a data set or a path"),
    "target": (_text, "the name of a column"),
    "task": _one_of("classification", "regression"),
    "sep": (_text, "a character"),
    "header": (lambda value: isinstance(value, bool), "true or false"),
    "missing": _one_of("error", "mean", "drop"),
    "ignore": (_texts, "a list of column names"),
    "categorical": (_texts, "a list of column names"),
    "hidden": (
        lambda value: isinstance(value, tuple) and all(type(n) is int and n >= 1 for n in value),
        "a list of layer widths, integers >= 1",
    ),
    "dropout": (_share, "a number in [0, 1)"),
    "activation": (_component, _NAMED),
    "loss": (_component, _NAMED),
    "optimizer": (_component, _NAMED),
    "schedule": (_component, _NAMED),
    "init": (_component, _NAMED),
    "constraint": (_component, _NAMED),
    "layer": (_component, _NAMED),
    "transform": (_components, f"a list, each item {_NAMED}"),
    "metric": (_components, f"a list, each item {_NAMED}"),
    "callback": (_components, f"a list, each item {_NAMED}"),
    "augment": (_components, f"a list, each item {_NAMED}"),
    "kernels": (_text, "names of kernels with commas between them"),
    "lr": (lambda value: _number(value) and value > 0, "a number > 0"),
    "clip": (lambda value: _number(value) and value >= 0, "a number >= 0; 0 is no clipping"),
    "epochs": (_count(1), "an integer >= 1"),
    "batch_size": (_count(1), "an integer >= 1"),
    "test": (_share, "a share in [0, 1)"),
    "validation": (_share, "a share in [0, 1)"),
    "patience": (_count(0), "an integer >= 0"),
    "seed": (_count(0, 2**64), "an integer >= 0 and below 2**64"),
    "backend": (_text, "the name of a backend"),
    "device": (_text, "the name of a device"),
    "dtype": _one_of("float32", "float64"),
}
