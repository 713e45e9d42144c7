"""The settings of a fit: checked, and perhaps changed by a plugin that sees runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from learnkit.errors import ArgumentError, LearnkitError
from learnkit.plugins import registry, runs
from learnkit.training.rows import check_at_least_one

if TYPE_CHECKING:
    from learnkit.training.trainer import Trainer

__all__ = ["FitSettings", "configured", "described"]


class FitSettings(NamedTuple):
    """What ``learnkit_configure_run`` can change of a ``Trainer.fit``; see there for their meaning."""

    epochs: int
    batch_size: int
    validation_split: float
    shuffle: bool

    def checked(self) -> Self:
        """The same.

        Raises:
            ArgumentError: one of them is out of range.
        """
        check_at_least_one("fit", "epochs", self.epochs)
        check_at_least_one("fit", "batch_size", self.batch_size)
        share = self.validation_split
        if type(share) not in (int, float) or not 0 <= share < 1:
            raise ArgumentError(f"fit: validation_split is {share!r}, expected a fraction in [0, 1)")
        return self


def configured(trainer: Trainer, settings: FitSettings) -> FitSettings:
    """The settings after the plugins were asked, unless they were for the run that the fit is part of.

    Raises:
        ArgumentError: one that the caller gave is out of range.
    """
    settings.checked()
    if runs.current_run(trainer) is not None:
        return settings

    def change(old: FitSettings, changes: Mapping[str, Any], who: str) -> FitSettings:
        return old._replace(**changes).checked()

    return runs.configure(settings, FitSettings._asdict, change)


def described(
    trainer: Trainer, run: runs.Run, settings: FitSettings, rows: int, epochs: int, steps: int
) -> runs.RunInfo:
    """What the plugins are told when a fit begins."""
    config = run.config or {
        **settings._asdict(),
        "loss": _plain(trainer.loss),
        "optimizer": _plain(trainer.optimizer),
        "metrics": list(trainer.metrics),
        "seed": trainer.seed,
        "dtype": trainer.dtype,
        "backend": trainer.backend.name,
    }
    return runs.RunInfo(run.name, run.directory, config, rows, epochs, steps)


def _plain(component: Any) -> Any:
    """Its description; the text of one that is not registered."""
    try:
        return registry.describe(component)
    except LearnkitError:
        return repr(component)
