"""What a training stands in: kernels in place of the backend's own, and plugins that change its settings."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from learnkit.backends import use_kernels
from learnkit.backends.replacement import VARIABLE
from learnkit.cli.building import Named
from learnkit.config import RunConfig
from learnkit.plugins import runs

__all__ = ["changed_by_plugins", "chosen_kernels", "with_kernels_named"]


def chosen_kernels(config: RunConfig) -> AbstractContextManager[None]:
    """A block in which the kernels that were asked for are in force.

    Raises:
        ArgumentError: some are unknown, or cannot be used.
        MissingDependencyError: they need a library that is not installed.
    """
    if config.kernels is None or config.kernels == _of_the_environment():  # which are in force already
        return nullcontext()
    with Named(config, "kernels"):
        return use_kernels(config.kernels)


def with_kernels_named(config: RunConfig) -> RunConfig:
    """The configuration with the kernels that the environment names: it repeats the run without it."""
    found = _of_the_environment()
    return config if config.kernels or not found else dataclasses.replace(config, kernels=found)


def _of_the_environment() -> str:
    return os.environ.get(VARIABLE, "").strip()


def changed_by_plugins(config: RunConfig) -> RunConfig:
    """The configuration after the plugins that see runs were asked (``learnkit_configure_run``)."""

    def settings(config: RunConfig) -> dict[str, Any]:
        return {f.name: getattr(config, f.name) for f in dataclasses.fields(config) if f.name != "origin"}

    def change(config: RunConfig, changes: Mapping[str, Any], who: str) -> RunConfig:
        return config.with_options(changes, {name: f"plugin {who}: {name}" for name in changes})

    return runs.configure(config, settings, change)
