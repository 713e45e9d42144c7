"""What ``learnkit train`` does, from reading the data to the words at the end."""

from __future__ import annotations

import dataclasses
import math
import os
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from learnkit.cli.building import (
    Named,
    check_components,
    make_augmentation,
    make_callbacks,
    make_loss,
    make_metrics,
    make_model,
    make_optimizer,
    settled,
)
from learnkit.cli.interrupt import Interruptible
from learnkit.cli.measures import Baseline, Report, measure
from learnkit.cli.output import Talk, print_json
from learnkit.cli.rundir import CONFIG, METRICS, MODEL, MetricsFile, RunDirectory, check_name
from learnkit.cli.surroundings import changed_by_plugins, chosen_kernels, with_kernels_named
from learnkit.config import RunConfig, write_config
from learnkit.data import DataSet, Preprocessor, load_source
from learnkit.errors import DivergedError, MissingDependencyError, ShapeError
from learnkit.losses import Suggestion, suggest
from learnkit.metrics import InOriginalUnits
from learnkit.plugins.runs import Run
from learnkit.training import Callback, EarlyStopping, Trainer
from learnkit.training.progress import progress_for
from learnkit.training.rows import place

__all__ = ["Orders", "prepare", "run_training"]


@dataclass(frozen=True)
class Orders:
    """What does not belong to the run itself: its name, its place, and how it is talked about."""

    name: str | None
    overwrite: bool
    runs_dir: str
    dry_run: bool
    quiet: bool
    as_json: bool


@dataclass(frozen=True)
class Prepared:
    """Data and model, ready to be trained."""

    config: RunConfig
    preprocessor: Preprocessor
    parts: dict[str, DataSet]
    arrays: dict[str, tuple[Any, Any]]
    trainer: Trainer
    data: DataSet
    suggestion: Suggestion | None

    @property
    def steps(self) -> int:
        """In an epoch."""
        return math.ceil(len(self.parts["training"]) / (self.config.batch_size or 1))


def run_training(config: RunConfig, orders: Orders) -> int:
    """Train, and return the exit code."""
    began = time.perf_counter()
    _check_libraries()
    check_name(orders.name, orders.runs_dir, orders.overwrite)
    config = with_kernels_named(changed_by_plugins(config))
    with chosen_kernels(config):
        return _run(config, orders, began)


def _run(config: RunConfig, orders: Orders, began: float) -> int:
    backend = check_components(config)
    talk = Talk(as_json=orders.as_json, quiet=orders.quiet)

    prepared = prepare(config, backend, talk)
    plan = _plan(prepared)
    if orders.dry_run:
        talk("dry run: nothing was trained or written")
        if orders.as_json:
            print_json(plan)
        return 0

    run = RunDirectory.create(
        orders.runs_dir, orders.name, str(prepared.config.source), overwrite=orders.overwrite
    )
    run.write_config(_config_text(prepared.config))
    watched = Run(run.path.name, run.path, prepared.config.to_dict())
    with Interruptible() as interrupt, watched:
        finished = _fit(prepared, run, interrupt, talk)
        seconds = time.perf_counter() - began
        baseline = Baseline.of(prepared.preprocessor.target, prepared.arrays["training"][1])
        report = _held_out(prepared, baseline)
        # The moment between the files of the old run and those of the new one is as short as it can be.
        prepared.trainer.save(run.model, extra=_extra(prepared, baseline, report, finished))
        run.forget_previous()
    _conclude(prepared, run, report, plan, orders, talk, finished=finished, seconds=seconds)
    return 0 if finished else interrupt.exit_code


def _check_libraries() -> None:
    """What is needed at the end is asked for at the beginning."""
    for module, name in (("safetensors", "safetensors"), ("tomli_w", "tomli-w")):
        try:
            __import__(module)
        except ImportError as error:
            raise MissingDependencyError(
                f"learnkit train needs {name}, which is not installed", hint='pip install "pylearnkit[cli]"'
            ) from error


def prepare(config: RunConfig, backend: Any, talk: Talk) -> Prepared:
    """Read, split and transform the data, and build what is trained on it."""
    data = load_source(
        str(config.source),
        target=config.target,
        sep=config.sep,
        header=config.header,
        task=config.task,
        missing=config.missing,
        ignore=config.ignore,
        categorical=config.categorical,
    )
    talk(*data.summary(), *(f"note: {notice}" for notice in data.notices))
    training, validation, test = data.split(config.validation, config.test, seed=config.seed)
    parts = {
        name: part
        for name, part in (("training", training), ("validation", validation), ("test", test))
        if part is not None
    }
    preprocessor = training.fit_preprocessor()
    arrays = {name: part.arrays(preprocessor) for name, part in parts.items()}
    code = preprocessor.target
    # Of the targets as the loss sees them: a regression's are standardised, and so is a delta.
    y = arrays["training"][1]
    assert y is not None
    suggestion = None if config.loss is not None else suggest(data.task, y, names=code.classes)
    config = settled(
        config, len(training), data.task, backend.name, None if suggestion is None else suggestion.loss
    )
    metrics: list[Any] = ["accuracy"]
    if code.task == "regression":
        metrics = [InOriginalUnits(name, scale=code.std, shift=code.mean) for name in ("rmse", "mae")]
        metrics.append("r2")
    metrics += make_metrics(config, code.task)
    trainer = Trainer(
        make_model(config, preprocessor.n_features, code.n_outputs),
        make_loss(config).resolve((len(y), code.n_outputs), y),
        make_optimizer(config),
        metrics=metrics,
        backend=backend,
        dtype=config.dtype,
        seed=config.seed,
        augment=make_augmentation(config),
    )
    prepared = Prepared(config, preprocessor, parts, arrays, trainer, data, suggestion)
    _check_loss(prepared)
    talk(*_plan_lines(prepared))
    return prepared


def _check_loss(prepared: Prepared) -> None:
    """A loss of another task is refused before a directory is made for the run."""
    x, y = prepared.arrays["training"]
    try:
        out = prepared.trainer.predict(x[:1])
        backend = prepared.trainer.backend
        prepared.trainer.loss(backend.asarray(out), backend.asarray(y[:1]))
    except ShapeError as error:
        error.message = (
            f"{prepared.config.label('loss')} {prepared.config.loss!r} does not fit a "
            f"{prepared.config.task}: {error.message}"
        )
        raise
    if prepared.trainer.augment is not None:
        with Named(prepared.config, "augment"):
            rows = place(backend, x[:1], y[:1], dtype=prepared.config.dtype)
            prepared.trainer.check(rows, fitting=True)


def _fit(prepared: Prepared, run: RunDirectory, interrupt: Interruptible, talk: Talk) -> bool:
    """Train; whether it came to its end."""
    config, trainer = prepared.config, prepared.trainer
    assert config.epochs is not None
    assert config.batch_size is not None
    x, y = prepared.arrays["training"]
    callbacks: list[Callback] = [interrupt, MetricsFile(run.metrics), *make_callbacks(config)]
    if not talk.quiet:
        callbacks.append(progress_for(config.epochs, prepared.steps, talk.stream))
    stopping = None if config.patience is None else EarlyStopping(patience=config.patience)
    try:
        # A loss that overflows is reported by the trainer; NumPy need not say it too.
        with np.errstate(all="ignore"):
            trainer.fit(
                x,
                y,
                epochs=config.epochs,
                batch_size=config.batch_size,
                validation_data=prepared.arrays.get("validation"),
                early_stopping=stopping,
                callbacks=callbacks,
                verbose=False,
            )
    except KeyboardInterrupt:
        if interrupt.impatient:
            raise
        return False
    except DivergedError as error:
        error.hint = (
            f"take a smaller --lr{' or clip with --clip 1' if not config.clip else ''}, or look for extreme "
            f"values in the data\n{run.path} keeps {METRICS} and {CONFIG}"
        )
        if run.has_previous:
            error.hint += "; the files of the run before end in .previous"
        raise
    return interrupt.signal == 0


def _held_out(prepared: Prepared, baseline: Baseline) -> Report:
    """The metrics of the test part; without one, of the next best rows, under their name."""
    part = next(name for name in ("test", "validation", "training") if name in prepared.parts)
    with np.errstate(all="ignore"):
        outputs = prepared.trainer.predict(prepared.arrays[part][0])
    return measure(f"{part} part", outputs, prepared.parts[part], prepared.preprocessor, baseline)


def _extra(prepared: Prepared, baseline: Baseline, report: Report, finished: bool) -> dict[str, Any]:
    """What is kept with the model: nothing that differs between two equal runs."""
    data, code = prepared.data, prepared.preprocessor.target
    return {
        "task": code.task,
        "target": code.name,
        "classes": list(code.classes),
        "preprocessing": prepared.preprocessor.to_dict(),
        "source": {"name": Path(data.source).name, "rows": len(data)},
        "rows": {name: len(part) for name, part in prepared.parts.items()},
        "baseline": {"prediction": baseline.prediction, "text": baseline.text},
        "held_out": report.to_dict(),
        "finished": finished,
    }


def _config_text(config: RunConfig) -> str:
    """The file that repeats the run, from any directory."""
    source = str(config.source)
    if os.path.exists(source) and source != "digits":
        config = dataclasses.replace(config, source=os.path.abspath(source))
    return "# learnkit train --config THIS_FILE repeats the run.\n" + write_config(config)


def _plan(prepared: Prepared) -> dict[str, Any]:
    config, trainer = prepared.config, prepared.trainer
    return {
        "source": config.source,
        "task": config.task,
        "reason": prepared.data.reason,
        "target": prepared.data.target,
        "rows": {name: len(part) for name, part in prepared.parts.items()},
        "features": prepared.preprocessor.n_features,
        "classes": {str(label): count for label, count in prepared.data.class_counts.items()},
        "notices": list(prepared.data.notices),
        "parameters": trainer.parameters.layout.size,
        "backend": trainer.backend.describe(),
        "epochs": config.epochs,
        "batch_size": config.batch_size,
        "steps": prepared.steps * (config.epochs or 0),
        "loss_reason": None if prepared.suggestion is None else prepared.suggestion.reason,
        "config": config.to_dict(),
    }


def _plan_lines(prepared: Prepared) -> list[str]:
    """What will be done, for people."""
    config, trainer = prepared.config, prepared.trainer
    sizes = ", ".join(f"{len(part):,} {name}" for name, part in prepared.parts.items())
    own = " (the source's own test part)" if prepared.data.test is not None else ""
    widths = [prepared.preprocessor.n_features, *config.hidden, prepared.preprocessor.target.n_outputs]
    steps, epochs = prepared.steps, config.epochs or 0
    learning = [f"loss {_spec(config.loss)}", f"optimizer {_spec(config.optimizer)}"]
    if config.lr is not None:
        learning.append(f"lr {config.lr:g}")
    learning += [
        f"schedule {_spec(config.schedule)}",
        f"clip {config.clip:g}" if config.clip else "no clipping",
    ]
    model = " - ".join(map(str, widths))
    note: list[str] = []
    if config.augment:
        note.append(f"augmentation: {', '.join(map(_spec, config.augment))}; of training batches only")
    if config.kernels:
        note.append(f"kernels: {config.kernels}")
    if prepared.suggestion is not None:
        note.append(f"loss: {prepared.suggestion}; --loss overrides it")
    if config.task == "regression":
        note += ["losses: of the standardised target; metrics: in the unit of " + repr(prepared.data.target)]
    return [
        f"split: {sizes} rows{own}, seed {config.seed}",
        f"model: {model}, {_spec(config.activation)}, dropout {config.dropout:g}, "
        f"{trainer.parameters.layout.size:,} parameters of {config.dtype}",
        f"learning: {', '.join(learning)}",
        f"backend: {trainer.backend.describe()}, {os.cpu_count()} processors",
        f"plan: {epochs} epochs of {steps:,} steps of {config.batch_size} rows, {epochs * steps:,} in all",
        *note,
    ]


def _spec(spec: Any) -> str:
    """A component as it would be written on the command line."""
    if isinstance(spec, str):
        return spec
    options = ",".join(f"{key}={value}" for key, value in spec.items() if key not in ("name", "kind"))
    return f"{spec['name']}:{options}" if options else str(spec["name"])


def _conclude(
    prepared: Prepared,
    run: RunDirectory,
    report: Report,
    plan: dict[str, Any],
    orders: Orders,
    talk: Talk,
    *,
    finished: bool,
    seconds: float,
) -> None:
    """Say what came of it, and where it is."""
    trainer, memory = prepared.trainer, _peak_memory()
    best = trainer.history.best
    done = f"trained {trainer.epochs_done} of {prepared.config.epochs} epochs in {seconds:.1f} s"
    if memory is not None:
        done += f", peak memory {memory / 2**20:.0f} MiB"
    if best is not None:
        watched = "validation loss" if best.val_loss is not None else "loss"
        kept = "its weights are kept" if prepared.config.patience is not None else "the last weights are kept"
        done += f"; best {watched} in epoch {best.epoch}, {kept}"
    if not finished:
        talk(f"interrupted in epoch {trainer.epochs_done + 1}; what there is was saved")
    talk("", done, *report.lines())
    path = shlex.quote(str(run.path))
    talk(f"saved in {run.path}: {MODEL}, {METRICS}, {CONFIG}")
    talk(
        "next:",
        f"  learnkit predict {path} {_example(prepared)}",
        f"  learnkit evaluate {path} {_example(prepared)}",
    )
    if orders.quiet and not orders.as_json:
        print(run.path)
    if orders.as_json:
        print_json(
            {
                **plan,
                "run": str(run.path),
                "files": {
                    "model": str(run.model),
                    "metrics": str(run.metrics),
                    "config": str(run.path / CONFIG),
                },
                "finished": finished,
                "epochs_done": trainer.epochs_done,
                "best_epoch": None if best is None else best.epoch,
                "held_out": report.to_dict(),
                "metrics": {name: m.value for name, m in report.measures.items()},
                "seconds": seconds,
                "peak_memory_bytes": memory,
            }
        )


def _example(prepared: Prepared) -> str:
    """New data to name in a command: of the kind that was trained on."""
    source = prepared.data.source
    if not os.path.exists(source):
        return shlex.quote(source)
    return "new_images" if os.path.isdir(source) else f"new{''.join(Path(source).suffixes[-1:]) or '.csv'}"


def _peak_memory() -> int | None:
    """Bytes; ``None`` where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
