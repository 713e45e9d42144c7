"""Plugins see every run in the process, and none of them can take one down."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import learnkit as lk
from learnkit.errors import CallbackError, PluginError
from learnkit.plugins import LIFECYCLE, registry, runs
from learnkit.training import Callback, Trainer

X, Y = np.linspace(-1, 1, 16, dtype=np.float32).reshape(8, 2), np.ones(8, dtype=np.float32)


@pytest.fixture
def isolated(site: Path) -> Iterator[registry.Registry]:
    """The real built-ins, and of plugins only those that a test installs."""
    with registry.isolated() as fresh:
        yield fresh


def trainer(**options: Any) -> Trainer:
    return Trainer(lk.nn.Linear(2, 1), "mse", "sgd:lr=0.1", **options)


def fit(made: Trainer | None = None, **options: Any) -> Trainer:
    made = trainer() if made is None else made
    made.fit(X, Y, **{"epochs": 2, "batch_size": 4, "verbose": False, **options})
    return made


class Watcher:
    """All lifecycle hooks; what was called, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def learnkit_configure_run(self, config: Any) -> None:
        self.calls.append(("configure_run", dict(config)))

    def learnkit_run_started(self, trainer: Any, run: Any) -> None:
        self.calls.append(("run_started", run))

    def learnkit_step_ended(self, trainer: Any, report: Any) -> None:
        self.calls.append(("step_ended", report))

    def learnkit_epoch_ended(self, trainer: Any, report: Any) -> None:
        self.calls.append(("epoch_ended", report))

    def learnkit_checkpoint_saved(self, trainer: Any, path: Any) -> None:
        self.calls.append(("checkpoint_saved", path))

    def learnkit_run_ended(self, trainer: Any, history: Any, error: Any) -> None:
        self.calls.append(("run_ended", error))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def of(self, name: str) -> list[Any]:
        return [value for each, value in self.calls if each == name]


def test_the_watcher_of_these_tests_has_each_hook() -> None:
    assert {name for name in vars(Watcher) if name.startswith("learnkit_")} == set(LIFECYCLE)


def test_a_fit_from_start_to_end(isolated: registry.Registry) -> None:
    with lk.watching(Watcher()) as seen:
        made = fit()
    steps = ["step_ended", "step_ended", "epoch_ended"]
    assert seen.names == ["configure_run", "run_started", *steps, *steps, "run_ended"]
    assert seen.of("configure_run") == [
        {"epochs": 2, "batch_size": 4, "validation_split": 0.0, "shuffle": True}
    ]
    (run,) = seen.of("run_started")
    assert (run.name, run.directory, run.rows, run.epochs, run.steps_per_epoch) == ("fit", None, 8, 2, 2)
    assert run.config["optimizer"]["lr"] == 0.1
    assert run.config["loss"]["name"] == "mse"
    assert (run.config["epochs"], run.config["seed"], run.config["backend"]) == (2, 0, "numpy")
    assert [report.step for report in seen.of("step_ended")] == [1, 2, 3, 4]
    assert seen.of("epoch_ended") == made.history.epochs
    assert seen.of("run_ended") == [None]


def test_nothing_is_seen_outside_the_block_and_each_fit_is_a_run(isolated: registry.Registry) -> None:
    with lk.watching(Watcher()) as seen:
        made = fit()
        fit(made)
    fit(made)
    assert seen.names.count("run_started") == seen.names.count("run_ended") == 2
    assert [run.epochs for run in seen.of("run_started")] == [2, 4]


def test_a_block_of_a_run_holds_its_fits_and_what_is_saved(
    isolated: registry.Registry, tmp_path: Path
) -> None:
    pytest.importorskip("safetensors")
    made = trainer()
    with lk.watching(Watcher()) as seen, runs.Run("first", tmp_path, {"source": "digits"}):
        fit(made)
        fit(made)
        fit()  # of another trainer: a run of its own
        made.save(tmp_path / "a.safetensors")
    assert [run.name for run in seen.of("run_started")] == ["first", "fit"]
    assert seen.of("run_started")[0].config == {"source": "digits"}
    assert seen.of("run_started")[0].directory == tmp_path
    assert seen.names[-2:] == ["checkpoint_saved", "run_ended"]
    assert seen.names.count("configure_run") == 1  # for the fit of the other trainer alone
    assert seen.of("checkpoint_saved") == [tmp_path / "a.safetensors"]


def test_a_saved_file_is_seen_outside_of_a_run_when_it_is_whole(
    isolated: registry.Registry, tmp_path: Path
) -> None:
    pytest.importorskip("safetensors")

    class Opens:
        steps: int | None = None

        def learnkit_checkpoint_saved(self, path: Path) -> None:
            self.steps = Trainer.load(path).steps_done

    with lk.watching(Opens()) as seen:
        fit().save(tmp_path / "a.safetensors")
    assert seen.steps == 4


class Stops(Callback):
    def __init__(self, error: BaseException) -> None:
        self._error = error

    def on_epoch_end(self, trainer: Any, report: Any) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "raised"), [(ZeroDivisionError(), CallbackError), (KeyboardInterrupt(), KeyboardInterrupt)]
)
def test_the_end_is_seen_however_it_comes(
    isolated: registry.Registry, error: BaseException, raised: type[BaseException]
) -> None:
    with lk.watching(Watcher()) as seen, pytest.raises(raised):
        fit(callbacks=[Stops(error)])
    assert [type(value) for value in seen.of("run_ended")] == [raised]


def test_an_error_that_was_caught_within_a_run_is_what_ended_it(isolated: registry.Registry) -> None:
    with lk.watching(Watcher()) as seen, runs.Run("cut"), pytest.raises(KeyboardInterrupt):
        fit(callbacks=[Stops(KeyboardInterrupt())])
    assert [type(value) for value in seen.of("run_ended")] == [KeyboardInterrupt]


def test_a_run_that_never_began_does_not_end(isolated: registry.Registry) -> None:
    with lk.watching(Watcher()) as seen, pytest.raises(ZeroDivisionError), runs.Run("none"):
        _ = 1 / 0
    assert seen.names == []


def test_the_loss_of_a_step_stays_on_the_device(backend: Any) -> None:
    """No step waits for the device because a plugin looks at it."""
    losses: list[Any] = []

    class Keeps:
        def learnkit_step_ended(self, report: Any) -> None:
            losses.append(report.loss)

    made = trainer(backend=backend.backend)
    batch = backend.asarray(X), backend.asarray(Y)
    rows = 4
    with lk.watching(Keeps()), runs.Run("steps") as run:
        run.start(made, lambda: runs.RunInfo("steps", None, {}, 8, 1, 2))
        from learnkit.training.loop import _report_step

        made.step(*batch)
        with backend.no_sync():
            for _ in range(rows):
                _report_step(made, made.step(*batch), (), run)
    own = lk.array_namespace(batch[0])
    assert [lk.array_namespace(loss) is own for loss in losses] == [True] * rows


def test_without_a_plugin_for_steps_no_report_of_a_step_is_made(
    isolated: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from learnkit.training import loop

    class OnlyEpochs:
        epochs = 0

        def learnkit_epoch_ended(self) -> None:
            self.epochs += 1

    monkeypatch.setattr(loop, "StepReport", lambda *_: pytest.fail("a report was made"))
    with lk.watching(OnlyEpochs()) as seen:
        fit()
    assert seen.epochs == 2


def test_a_plugin_changes_settings_and_says_so(
    isolated: registry.Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    class Doubles:
        def learnkit_configure_run(self, config: Any) -> Any:
            return {"epochs": 2 * config["epochs"], "shuffle": False}

    with lk.watching(Doubles()), lk.watching(Doubles()), lk.watching(Watcher()) as seen:
        made = fit()
    assert made.epochs_done == 8
    assert seen.of("configure_run")[0]["epochs"] == 8
    assert seen.of("run_started")[0].config["shuffle"] is False
    assert capsys.readouterr().err.splitlines() == [
        "plugin Doubles sets epochs=4, shuffle=False",
        "plugin Doubles sets epochs=8, shuffle=False",
    ]


@pytest.mark.parametrize(
    ("returned", "why"),
    [
        ({"epochs": 5, "epoch": 1}, "there is no setting 'epoch' (did you mean 'epochs'?)"),
        ({"epochs": 5, "batch_size": 0}, "fit: batch_size is 0, expected an integer >= 1"),
        ([("epochs", 5)], "it returned list, expected a mapping or None"),
    ],
)
def test_settings_that_are_refused_are_not_used(
    isolated: registry.Registry, capsys: pytest.CaptureFixture[str], returned: Any, why: str
) -> None:
    class Wrong:
        def learnkit_configure_run(self) -> Any:
            return returned

    with lk.watching(Wrong()):
        assert fit().epochs_done == 2
        assert fit().epochs_done == 2  # switched off: it says it once
    assert capsys.readouterr().err == f"plugin Wrong (learnkit_configure_run failed: {why}; switched off)\n"


def test_the_settings_cannot_be_changed_in_place(
    isolated: registry.Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    class Changes:
        def learnkit_configure_run(self, config: Any) -> None:
            config["epochs"] = 9

    with lk.watching(Changes()):
        assert fit().epochs_done == 2
    assert "does not support item assignment; switched off" in capsys.readouterr().err


RECORDER = """
    seen = []
    def learnkit_run_started(run):
        seen.append("started")
        print("hello")
    def learnkit_epoch_ended(report):
        seen.append(report.epoch)
    def learnkit_run_ended(error):
        seen.append(error)
"""


def test_an_installed_plugin_sees_runs_and_is_imported_by_the_first(
    isolated: registry.Registry, install: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    install("t-track", RECORDER, groups=("learnkit.runs",))
    install("t-lossy", "raise ValueError('registers components, and was not asked for')")
    registry.get("optimizer", "adam")
    trainer()
    assert "t_track" not in sys.modules
    fit()
    fit()
    assert sys.modules["t_track"].seen == ["started", 1, 2, None] * 2
    assert "t_lossy" not in sys.modules
    captured = capsys.readouterr()
    assert captured.out == ""  # which may be JSON
    assert captured.err == "hello\nhello\n"
    (record,) = runs.records()
    assert (record.name, record.status) == ("t-track", "ok")
    assert record.hooks == ("learnkit_run_started", "learnkit_epoch_ended", "learnkit_run_ended")


@pytest.mark.parametrize("hook", [name for name in LIFECYCLE if name != "learnkit_checkpoint_saved"])
@pytest.mark.parametrize("error", ["ValueError('no server')", "SystemExit(3)"])
def test_one_that_raises_costs_a_line_and_is_switched_off(
    isolated: registry.Registry,
    install: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    hook: str,
    error: str,
) -> None:
    install("t-broken", f"def {hook}(): raise {error}", groups=("learnkit.runs",))
    install("t-track", RECORDER.replace('print("hello")', "pass"), groups=("learnkit.runs",))
    plain = fit().copy_arrays()
    watched = fit()
    assert all((plain[name] == array).all() for name, array in watched.copy_arrays().items())
    shown = error.replace("('", ": ").replace("')", "").replace("(3)", ": 3")
    assert capsys.readouterr().err == f"plugin t-broken ({hook} failed: {shown}; switched off)\n"
    assert sys.modules["t_track"].seen == ["started", 1, 2, None] * 2
    broken = runs.records()[0]
    assert (broken.name, broken.status) == ("t-broken", "failed")
    assert "Traceback" in broken.traceback


def test_one_that_raises_when_a_file_is_saved(
    isolated: registry.Registry,
    install: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    pytest.importorskip("safetensors")
    install("t-broken", "def learnkit_checkpoint_saved(): raise OSError('full')", groups=("learnkit.runs",))
    trainer().save(tmp_path / "a.safetensors")
    assert (tmp_path / "a.safetensors").exists()
    assert "learnkit_checkpoint_saved failed: OSError: full; switched off" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "requires", "status", "why"),
    [
        ("raise ValueError('at import')", "pylearnkit>=0.1", "failed", "ValueError: at import"),
        ("import sys; sys.exit(2)", "pylearnkit>=0.1", "failed", "SystemExit: 2"),
        ("def learnkit_step_ended(x): pass", "pylearnkit>=0.1", "failed", "Argument(s) {'x'}"),
        ("def learnkit_step_end(): pass", "pylearnkit>=0.1", "failed", "did you mean 'learnkit_step_ended'?"),
        ("seen = 1", "pylearnkit>=9", "incompatible", "needs pylearnkit>=9"),
    ],
)
def test_one_that_cannot_be_used_costs_a_line(
    isolated: registry.Registry,
    install: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    source: str,
    requires: str,
    status: str,
    why: str,
) -> None:
    install("t-broken", source, groups=("learnkit.runs",), requires=requires)
    fit()
    fit()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert why in captured.err
    (record,) = runs.records()
    assert record.status == status
    assert why in record.detail


def test_strictness_raises(
    isolated: registry.Registry, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("t-broken", "def learnkit_epoch_ended(): raise ValueError('x')", groups=("learnkit.runs",))
    monkeypatch.setenv("LEARNKIT_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match="learnkit_epoch_ended failed: ValueError: x"):
        fit()


@pytest.mark.parametrize("how", ["LEARNKIT_PLUGINS", "another", "--no-plugins"])
def test_plugins_that_are_not_wanted_see_nothing(
    isolated: registry.Registry, install: Callable[..., None], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    install("t-track", RECORDER, groups=("learnkit.runs",))
    if how == "--no-plugins":
        registry.disable_third_party(how)
    else:
        monkeypatch.setenv("LEARNKIT_PLUGINS", {"another": "t-other"}.get(how, ""))
    fit()
    assert "t_track" not in sys.modules
    (record,) = runs.records()
    assert record.status == "blocked"
    assert record.detail == ("--no-plugins" if how == "--no-plugins" else "not in LEARNKIT_PLUGINS")


def test_a_plugin_of_both_groups_has_one_record(
    isolated: registry.Registry, install: Callable[..., None]
) -> None:
    from learnkit.plugins.records import merged

    source = RECORDER + "    def learnkit_register_datasets(register): register('t', dict)\n"
    install("t-track", source, groups=("learnkit", "learnkit.runs"))
    install("t-only", "def learnkit_register_losses(register): register('t', dict)")
    both, only = sorted(merged([*registry.records(), *runs.records()]), key=lambda record: -len(record.hooks))
    assert both.components == {"dataset": ("t",)}
    assert len(both.hooks) == 3
    assert (only.name, only.status, only.hooks) == ("t-only", "ok", ())


def test_what_is_no_plugin_is_refused() -> None:
    with pytest.raises(PluginError, match="object has no lifecycle hook"), lk.watching(object()):
        pass
