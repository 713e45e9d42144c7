"""Tables from SQLite and Parquet files, and a layer for their numerical features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from learnkit_tabular.parquet import read_feather, read_parquet
from learnkit_tabular.periodic import PeriodicEmbedding
from learnkit_tabular.sqlite import read_sqlite

__all__ = ["PeriodicEmbedding", "read_feather", "read_parquet", "read_sqlite"]

Register = Callable[[str, Callable[..., Any]], None]


def learnkit_register_readers(register: Register) -> None:
    """Called by learnkit, which knows this package by its entry point; a name is the ending of files."""
    for ending in ("sqlite", "sqlite3", "db"):
        register(ending, read_sqlite)
    register("parquet", read_parquet)
    register("feather", read_feather)


def learnkit_register_layers(register: Register) -> None:
    """The same for the layer."""
    register("periodic_embedding", PeriodicEmbedding)
