"""Distributions on ``sys.path`` that no installer has seen, and a registry that sees only them."""

from __future__ import annotations

import importlib.metadata as metadata
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from learnkit.plugins import registry

#: What is built in while these tests run. Importing ``loud`` components is recorded in ``called``.
BUILTIN = """
from dataclasses import dataclass, field
from learnkit.errors import ArgumentError

called = []

@dataclass(frozen=True)
class Sgd:
    lr: float = 0.1

@dataclass(frozen=True)
class Adam:
    lr: object = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    def __post_init__(self):
        if isinstance(self.lr, float) and self.lr < 0:
            raise ArgumentError(f"lr must be at least 0, not {self.lr}", hint="use a positive number")

@dataclass(frozen=True)
class Cosine:
    lr: float
    total_steps: int | None = None

@dataclass(frozen=True)
class Mse:
    reduction: str = "mean"
    sizes: list[int] = field(default_factory=list)

class Linear:
    def __init__(self, in_features, out_features, *, init=Sgd):
        self.options = {"in_features": in_features, "out_features": out_features, "init": init}
    def config(self):
        return self.options

class Sequential:
    def __init__(self, *layers, scale=1.0):
        self.layers, self.scale = layers, scale
    def config(self):
        return {"layers": self.layers, "scale": self.scale}

class Opaque:
    def __init__(self, size=1):
        pass

class Base:
    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

class Bare(Base):
    pass

@dataclass(frozen=True)
class Named:
    name: str = "me"

def digits(*, size: int = 3, **rest):
    if size < 0:
        raise ValueError("size is negative")
    return {"size": size, **rest}

def learnkit_register_optimizers(register):
    called.append("optimizer")
    register("sgd", Sgd)
    register("adam", Adam)

def learnkit_register_schedules(register):
    called.append("schedule")
    register("cosine", Cosine)

def learnkit_register_losses(register):
    called.append("loss")
    register("mse", Mse)
    register("l2", Mse)

def learnkit_register_layers(register):
    called.append("layer")
    register("linear", Linear)
    register("sequential", Sequential)
    register("opaque", Opaque)
    register("bare", Bare)
    register("named", Named)

def learnkit_register_datasets(register):
    register("digits", digits)
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on ``sys.path`` that holds the built-ins; no other distribution has plugins."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "t_builtin.py").write_text(BUILTIN)
    monkeypatch.syspath_prepend(str(folder))
    for variable in ("PLUGINS", "STRICT_PLUGINS", "TRACE_PLUGINS", "OVERRIDE"):
        monkeypatch.delenv(f"LEARNKIT_{variable}", raising=False)

    installed = metadata.entry_points

    def entry_points(*, group: str = "", **others: Any) -> Any:
        if group.partition(".")[0] != "learnkit":  # libraries look for theirs
            return installed(group=group, **others) if group else installed(**others)
        found = [e for dist in metadata.distributions(path=[str(folder)]) for e in dist.entry_points]
        return [entry for entry in found if entry.group == group]

    monkeypatch.setattr(metadata, "entry_points", entry_points)
    yield folder
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def install(site: Path) -> Callable[..., None]:
    """``install("t-good", "def learnkit_register_losses(register): ...")`` puts a plugin there.

    The entry point is named like the distribution, and so is the module with ``_`` for ``-``.
    """

    def put(
        distribution: str,
        source: str,
        *,
        version: str = "1.0",
        name: str | None = None,
        requires: str | None = "pylearnkit>=0.1",
        target: str = "",
        groups: tuple[str, ...] = ("learnkit",),
    ) -> None:
        module = distribution.replace("-", "_")
        (site / f"{module}.py").write_text(textwrap.dedent(source))
        info = site / f"{module}-{version}.dist-info"
        info.mkdir()
        text = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        (info / "METADATA").write_text(text + (f"Requires-Dist: {requires}\n" if requires else ""))
        entry = f"{name or distribution} = {module}{target}\n"
        (info / "entry_points.txt").write_text("".join(f"[{group}]\n{entry}" for group in groups))

    return put


@pytest.fixture
def fresh(site: Path) -> Iterator[registry.Registry]:
    """An empty registry with the built-ins above, of version 0.1.0, in place of the process's own."""
    with registry.isolated(("t_builtin",), version="0.1.0") as isolated:
        yield isolated
