"""The directory of a run: its name, its files, and that nothing in it is ever lost."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from learnkit.cli.output import plain
from learnkit.data.readers import ending_of
from learnkit.errors import ArgumentError, BackendError
from learnkit.training.callbacks import Callback
from learnkit.training.files import write_atomically
from learnkit.training.history import EpochReport, History

if TYPE_CHECKING:
    from learnkit.training.trainer import Trainer

__all__ = ["CONFIG", "METRICS", "MODEL", "MetricsFile", "RunDirectory", "check_name"]

MODEL = "model.safetensors"
METRICS = "metrics.jsonl"
CONFIG = "config.toml"
#: What a replaced run's files are called until the new model is saved.
PREVIOUS = ".previous"


def check_name(name: str | None, runs_dir: str, overwrite: bool) -> None:
    """Refuse a name that is no name of a directory, or is taken; asked before any data is read.

    Raises:
        ArgumentError: it is, or ``overwrite`` is given without a name.
    """
    if name is None:
        if overwrite:
            raise ArgumentError("--overwrite needs --name: a name that is chosen is never a taken one")
        return
    if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise ArgumentError(f"--name is {name!r}, expected the name of a directory in {runs_dir!r}")
    if not overwrite and (Path(runs_dir) / name).exists():
        raise _taken(Path(runs_dir) / name)


def _taken(path: Path) -> ArgumentError:
    return ArgumentError(
        f"there is a run {str(path)!r} already", hint="choose another --name, or add --overwrite"
    )


class RunDirectory:
    """The files of one run.

    Args:
        path: an existing directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = path / MODEL
        self.metrics = path / METRICS

    @classmethod
    def create(cls, runs_dir: str, name: str | None, source: str, overwrite: bool) -> RunDirectory:
        """Make a new directory, or take over an old run's if that is asked for.

        Args:
            runs_dir: the directory of runs; made if it is missing.
            name: ``None`` takes the source's, with ``-2``, ``-3``, ... if that is taken.
            source: what is trained on.
            overwrite: whether the run ``name`` may exist. Its files are kept aside until the new model is
                saved; other files in the directory are not touched.

        Raises:
            ArgumentError: the name is taken.
            BackendError: the directory cannot be made or written.
        """
        try:
            Path(runs_dir).mkdir(parents=True, exist_ok=True)
            if name is None:
                return cls(_first_free(Path(runs_dir), _stem(source)))
            path = Path(runs_dir) / name
            try:
                path.mkdir()
            except FileExistsError:
                if not overwrite:
                    raise _taken(path) from None
                if not path.is_dir():
                    raise
                for file in (MODEL, METRICS, CONFIG):
                    if (path / file).exists():
                        (path / file).replace(path / (file + PREVIOUS))
            return cls(path)
        except OSError as error:
            where = error.filename or runs_dir
            raise BackendError(
                f"cannot make a directory for the run: {where}: {error.strerror or error}",
                hint="choose another place with --runs-dir",
            ) from error

    def write_config(self, text: str) -> None:
        write_atomically(self.path / CONFIG, text.encode())

    def forget_previous(self) -> None:
        """Remove the files of the run that was replaced; called when the new one is saved."""
        for file in (MODEL, METRICS, CONFIG):
            (self.path / (file + PREVIOUS)).unlink(missing_ok=True)

    @property
    def has_previous(self) -> bool:
        return any((self.path / (file + PREVIOUS)).exists() for file in (MODEL, METRICS, CONFIG))


def _stem(source: str) -> str:
    """The name of a source as part of a path: ``data/Prices 2024.csv.gz`` gives ``Prices-2024``."""
    path = Path(source.partition(":")[0] if not Path(source).exists() else Path(source).resolve())
    name, ending = path.name, ending_of(path)
    if ending is not None and name.lower().endswith(f".{ending}"):
        name = name[: -len(ending) - 1]
    name = re.sub(r"\.gz$", "", name, flags=re.IGNORECASE)
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run"


def _first_free(parent: Path, stem: str) -> Path:
    number = 1
    while True:
        path = parent / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
        else:
            return path


class MetricsFile(Callback):
    """Writes one JSON object a line for each epoch, as it ends.

    Args:
        path: of the file, which must not exist.

    Raises:
        BackendError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def on_fit_begin(self, trainer: Trainer) -> None:
        try:
            self._file = self._path.open("x", encoding="utf-8")
        except OSError as error:
            raise self._cannot(error) from error

    def on_epoch_end(self, trainer: Trainer, report: EpochReport) -> None:
        assert self._file is not None
        try:
            self._file.write(json.dumps(plain(asdict(report))) + "\n")
            self._file.flush()
        except OSError as error:
            raise self._cannot(error) from error

    def on_fit_end(self, trainer: Trainer, history: History) -> None:
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                raise self._cannot(error) from error

    def _cannot(self, error: OSError) -> BackendError:
        return BackendError(f"cannot write {self._path}: {error.strerror or error}")
