"""A saved run names the plugins it needs, and loading says what is missing or has changed."""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import learnkit as lk
from learnkit.errors import ArgumentError, CheckpointError
from learnkit.plugins import registry
from learnkit.plugins.provenance import Origin, PluginVersionWarning, origin_of
from learnkit.training import Trainer
from learnkit.training.checkpoint import read_content

pytest.importorskip("safetensors")

X, Y = np.ones((8, 2), np.float32), np.ones(8, np.float32)

WAVE = """
from dataclasses import dataclass
from learnkit.losses import Loss
from learnkit.backends import array_namespace

@dataclass(frozen=True)
class Wave(Loss):
    delta: float = 1.0
    def per_example(self, y_pred, y_true):
        xp = array_namespace(y_pred, y_true)
        return xp.mean(xp.reshape(xp.subtract(y_pred, y_true) ** 2, (y_pred.shape[0], -1)), axis=1)

def learnkit_register_losses(register):
    register("wave", Wave)
"""

PARTS = """
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
from learnkit.augment import Augmentation
from learnkit.nn import Module
from learnkit.schedules import Schedule

class Twice(Module):
    def __call__(self, x):
        return x + x
    def config(self):
        return {}

@dataclass(frozen=True)
class Down(Schedule):
    lr: float = 0.1
    def __call__(self, step):
        return self.lr

@dataclass(frozen=True)
class Same(Augmentation):
    def __call__(self, x, *, seed, step):
        return x

class Slow:
    backend: ClassVar[str] = "numpy"
    def relu(self, x):
        return np.maximum(x, 0)

def learnkit_register_layers(register):
    register("twice", Twice)

def learnkit_register_schedules(register):
    register("down", Down)

def learnkit_register_augmentations(register):
    register("same", Same)

def learnkit_register_kernels(register):
    register("slow", Slow)
"""


@pytest.fixture(autouse=True)
def isolated(site: Path) -> Iterator[None]:
    with registry.isolated():
        yield


@pytest.fixture
def uninstall(site: Path) -> Callable[[str], None]:
    """Takes a distribution away again."""

    def remove(distribution: str) -> None:
        module = distribution.replace("-", "_")
        (site / f"{module}.py").unlink()
        for info in site.glob(f"{module}-*.dist-info"):
            shutil.rmtree(info)
        shutil.rmtree(site / "__pycache__", ignore_errors=True)
        sys.modules.pop(module, None)

    return remove


def saved(path: Path, **options: Any) -> Path:
    made = Trainer(lk.nn.Linear(2, 1), **{"loss": "mse", "optimizer": "sgd", **options})
    made.fit(X, Y, verbose=False)
    return made.save(path / "run.safetensors")


def quietly(path: Path) -> Trainer:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return Trainer.load(path)


def test_a_run_of_built_in_parts_names_no_plugin(tmp_path: Path) -> None:
    content = read_content(saved(tmp_path))
    assert not {"plugins", "kernels", "augment"} & set(content)


def test_plugins_are_named_with_what_is_held_of_them(install: Callable[..., None], tmp_path: Path) -> None:
    """Also what stands inside of other components, and kernels and augmentations."""
    install("t-wave", WAVE, version="0.3")
    install("t-parts", PARTS, version="1.2")
    model = lk.nn.Sequential(lk.nn.Residual(registry.create("layer", "twice")), lk.nn.Linear(2, 1))
    schedule = registry.create("schedule", "down")
    made = Trainer(model, "wave", lk.optim.SGD(schedule), augment=["jitter", "same"])
    with lk.use_kernels("slow"):
        made.fit(X, Y, verbose=False)
    content = read_content(made.save(tmp_path / "run.safetensors"))
    assert content["plugins"] == [
        {
            "distribution": "t-parts",
            "version": "1.2",
            "components": [
                ["augmentation", "same"],
                ["kernel", "slow"],
                ["layer", "twice"],
                ["schedule", "down"],
            ],
        },
        {"distribution": "t-wave", "version": "0.3", "components": [["loss", "wave"]]},
    ]
    assert content["kernels"] == [{"kind": "kernel", "name": "slow"}]
    again = quietly(tmp_path / "run.safetensors")
    assert again.kernels == content["kernels"]  # and a run that goes on names them still
    assert read_content(again.save(tmp_path / "again.safetensors"))["kernels"] == content["kernels"]


def test_kernels_without_a_name_are_noted_too(tmp_path: Path) -> None:
    class Mine:
        backend = "numpy"

        def relu(self, x: Any) -> Any:
            return NotImplemented

    with lk.use_kernels(Mine()):
        path = saved(tmp_path)
    content = read_content(path)
    assert content["kernels"] == [{"kind": "kernel", "class": f"{Mine.__qualname__}"}]
    assert "plugins" not in content


def test_a_missing_plugin_is_named_with_what_to_install(
    install: Callable[..., None], uninstall: Callable[[str], None], tmp_path: Path
) -> None:
    install("t-wave", WAVE, version="0.3")
    path = saved(tmp_path, loss="wave:delta=2")
    uninstall("t-wave")
    with registry.isolated(), pytest.raises(CheckpointError) as caught:
        Trainer.load(path)
    assert str(caught.value) == (
        f"{path}: the run holds the loss 'wave' of t-wave 0.3, which is not installed\n"
        "  pip install t-wave==0.3"
    )


def test_missing_kernels_hinder_nothing(
    install: Callable[..., None], uninstall: Callable[[str], None], tmp_path: Path
) -> None:
    install("t-parts", PARTS)
    with lk.use_kernels("slow"):
        path = saved(tmp_path)
    uninstall("t-parts")
    with registry.isolated():
        assert quietly(path).kernels == [{"kind": "kernel", "name": "slow"}]


def test_another_version_is_a_warning_in_one_line(
    install: Callable[..., None], uninstall: Callable[[str], None], tmp_path: Path
) -> None:
    install("t-parts", PARTS, version="1.2")
    model = lk.nn.Sequential(registry.create("layer", "twice"), lk.nn.Linear(2, 1))
    made = Trainer(model, "mse", augment="same")
    path = made.save(tmp_path / "run.safetensors")
    uninstall("t-parts")
    install("t-parts", PARTS, version="1.10")
    with registry.isolated(), pytest.warns(PluginVersionWarning) as caught:
        Trainer.load(path)
    assert [str(w.message) for w in caught] == [f"{path}: saved with t-parts 1.2, and 1.10 is installed"]


def test_another_plugin_of_the_same_name_is_a_warning(
    install: Callable[..., None], uninstall: Callable[[str], None], tmp_path: Path
) -> None:
    install("t-wave", WAVE, version="0.3")
    path = saved(tmp_path, loss="wave")
    uninstall("t-wave")
    install("t-ripple", WAVE)
    with (
        registry.isolated(),
        pytest.warns(
            PluginVersionWarning, match=r"the loss 'wave' was that of t-wave 0\.3, and is that of t-ripple"
        ),
    ):
        Trainer.load(path)


def test_a_name_that_is_built_in_by_now_is_a_warning(install: Callable[..., None], tmp_path: Path) -> None:
    install("t-wave", WAVE.replace('"wave"', '"huber2"'))
    path = saved(tmp_path, loss="huber2")
    with (
        registry.isolated(("learnkit.plugins.builtin", "t_wave")),
        pytest.warns(
            PluginVersionWarning, match="the loss 'huber2' was that of t-wave 1.0, and is built in now"
        ),
    ):
        Trainer.load(path)


@pytest.mark.parametrize("how", ["blocked", "broken", "without"])
def test_a_plugin_that_is_installed_and_cannot_be_used(
    install: Callable[..., None],
    uninstall: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    how: str,
) -> None:
    install("t-wave", WAVE, version="0.3")
    path = saved(tmp_path, loss="wave")
    message = (
        r"it is installed and cannot be used: not in LEARNKIT_PLUGINS\n  see: learnkit plugins info t-wave"
    )
    if how == "blocked":
        monkeypatch.setenv("LEARNKIT_PLUGINS", "")
    else:
        uninstall("t-wave")
        install("t-wave", "raise ValueError('x')" if how == "broken" else "# nothing", version="0.4")
        message = r"it is installed and cannot be used: ValueError: x\n  see: learnkit plugins info"
    if how == "without":
        message = r"t-wave 0\.4 is installed, and has none of that name\n  pip install t-wave==0\.3"
    with registry.isolated(), pytest.raises(CheckpointError, match=message):
        Trainer.load(path)


def test_what_was_registered_in_code_is_named_as_such(tmp_path: Path) -> None:
    def pinball(y_pred: Any, y_true: Any, *, q: float = 0.5) -> Any:
        return (y_pred - y_true) ** 2 * q

    with lk.registered(loss={"pinball": pinball}):
        path = saved(tmp_path, loss="pinball:q=0.9")
        assert origin_of("loss", "pinball") == Origin("", "", __name__)
        quietly(path)
    assert read_content(path)["plugins"] == [
        {"distribution": "", "version": "", "where": __name__, "components": [["loss", "pinball"]]}
    ]
    with pytest.raises(
        CheckpointError,
        match=rf"holds the loss 'pinball' of code \({__name__}\), which is not there\n"
        r"  register it before loading: learnkit.register_loss\('pinball', \.\.\.\)",
    ):
        Trainer.load(path)


def test_a_local_file_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "learnkit_local.py").write_text(WAVE)
    registry.use_local(tmp_path)
    path = saved(tmp_path, loss="wave")
    quietly(path)
    assert read_content(path)["plugins"][0]["where"] == "learnkit_local.py"
    with (
        registry.isolated(),
        pytest.raises(
            CheckpointError, match=r"'wave' of learnkit_local\.py, which is not there\n  run it in the"
        ),
    ):
        Trainer.load(path)
    sys.modules.pop("learnkit_local", None)


# Versions of components

OLD = """
from dataclasses import dataclass
from learnkit.losses import Loss
from learnkit.backends import array_namespace

@dataclass(frozen=True)
class Wave(Loss):
    period: float = 4.0
    def per_example(self, y_pred, y_true):
        return array_namespace(y_pred).mean(y_pred, axis=1)

def learnkit_register_losses(register):
    register("wave", Wave)
"""

NEW = OLD.replace(
    "    period: float = 4.0\n", '    version: ClassVar[str] = "2"\n    frequency: float = 0.25\n'
)
NEW = NEW.replace("import dataclass\n", "import dataclass\nfrom typing import ClassVar\n").replace(
    "    def per_example",
    """    @classmethod
    def migrate(cls, options, version):
        seen.append(version)
        if version is None:
            options["frequency"] = 1 / options.pop("period")
        return options
    def per_example""",
)
NEW += "seen = []\n"


def upgrade(
    install: Callable[..., None], uninstall: Callable[[str], None], tmp_path: Path, old: str, new: str
) -> Any:
    install("t-wave", old, version="1")
    path = saved(tmp_path, loss="wave")
    uninstall("t-wave")
    install("t-wave", new, version="2")
    with registry.isolated(), pytest.warns(PluginVersionWarning):
        return Trainer.load(path).loss


def test_options_of_an_older_version_are_migrated(
    install: Callable[..., None], uninstall: Callable[[str], None], tmp_path: Path
) -> None:
    loss = upgrade(install, uninstall, tmp_path, OLD.replace("4.0", "8.0"), NEW)
    assert loss.frequency == 0.125
    assert sys.modules["t_wave"].seen == [None]


def test_a_version_is_saved_and_its_options_are_left_alone(
    install: Callable[..., None], tmp_path: Path
) -> None:
    install("t-wave", NEW)
    path = saved(tmp_path, loss="wave:frequency=3")
    assert read_content(path)["loss"]["version"] == "2"
    assert quietly(path).loss.frequency == 3  # type: ignore[attr-defined]
    description = registry.describe(registry.create("loss", "wave"))
    assert registry.create("loss", description) == registry.create("loss", "wave")
    assert registry.create("loss", {"name": "wave", "frequency": 2}).frequency == 2  # of a run file
    assert sys.modules["t_wave"].seen == []


def test_a_version_in_between_is_handed_over(
    install: Callable[..., None], uninstall: Callable[[str], None], tmp_path: Path
) -> None:
    loss = upgrade(install, uninstall, tmp_path, NEW, NEW.replace('"2"', '"3"'))
    assert loss.frequency == 0.25
    assert sys.modules["t_wave"].seen == ["2"]


def test_a_version_that_is_no_longer_said_is_no_option(
    install: Callable[..., None], uninstall: Callable[[str], None], tmp_path: Path
) -> None:
    new = NEW.replace('    version: ClassVar[str] = "2"\n', "")
    assert upgrade(install, uninstall, tmp_path, NEW, new).frequency == 0.25


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return None", r"loss 'wave': migrate\(options, None\) returned NoneType, expected the options"),
        ("raise KeyError('period')", r"loss 'wave': migrate\(options, None\) failed: KeyError: 'period'"),
    ],
)
def test_a_migration_that_fails_is_said(
    install: Callable[..., None], uninstall: Callable[[str], None], tmp_path: Path, body: str, message: str
) -> None:
    new = NEW.replace("seen.append(version)", body)
    with pytest.raises(CheckpointError, match=message):
        upgrade(install, uninstall, tmp_path, OLD, new)


def test_without_a_migration_the_error_is_that_of_the_option(
    install: Callable[..., None], uninstall: Callable[[str], None], tmp_path: Path
) -> None:
    new = OLD.replace("period", "frequency")
    with pytest.raises(CheckpointError, match=r"loss 'wave' has no option 'period'") as caught:
        upgrade(install, uninstall, tmp_path, OLD, new)
    assert "saved with t-wave 1, and 2 is installed: pip install t-wave==1" in str(caught.value.hint)


def test_an_option_called_version_is_an_option() -> None:
    def f(y_pred: Any, y_true: Any, *, version: str = "a") -> Any:
        return y_pred - y_true

    with lk.registered(loss={"f": f}):
        made = registry.create("loss", "f:version=b")
        assert registry.describe(made)["version"] == "b"
        assert registry.create("loss", registry.describe(made)) == made
        for spec in ("mse:version=2", {"name": "mse", "version": 2}):
            with pytest.raises(ArgumentError, match="has no option 'version'"):
                registry.create("loss", spec)
