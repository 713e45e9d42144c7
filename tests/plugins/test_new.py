"""``learnkit plugins new`` writes packages that work as they are; ``list`` and ``info`` say what is there.

``python tests/plugins/generated.py`` does what the tests of packages do here, and more, with pip and in an
environment of its own.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("click")

from learnkit.cli import main
from learnkit.cli.plugins.new import new_plugin
from learnkit.cli.plugins.scaffold import ALL_KINDS, Package, named, write
from learnkit.errors import ArgumentError
from learnkit.plugins import KINDS, registry

ROOT = Path(__file__).parents[2]
#: A package of every kind, and its folder.
Packages = dict[str, tuple[Package, Path]]


def install(folder: Path, site: Path) -> None:
    """What an installer does with a package: its module and its metadata in one place."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    lines = [f"Name: {project['name']}", f"Version: {project['version']}", "Summary: A package."]
    lines += [f"Requires-Dist: {requirement}" for requirement in project["dependencies"]]
    (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines]) + "\n", encoding="utf-8")
    entries = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in named.items())
        for group, named in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(entries), encoding="utf-8")
    for module in folder.glob("*.py"):
        shutil.copy(module, site)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """A package of every kind, and its folder."""
    folder = tmp_path_factory.mktemp("packages")
    made = {kind: named(f"sample-{kind}", kind) for kind in ALL_KINDS}
    for package in made.values():
        write(package, folder / package.distribution)
    return {kind: (package, folder / package.distribution) for kind, package in made.items()}


@pytest.fixture(scope="module")
def all_installed(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all of them are installed."""
    site = tmp_path_factory.mktemp("installed")
    for _, folder in packages.values():
        install(folder, site)
    return site


def run(command: list[str], cwd: Path, site: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LEARNKIT_P", "PYTEST_"))}
    environment |= {"PYTHONPATH": os.pathsep.join([str(site), str(ROOT)]), "LEARNKIT_STRICT_PLUGINS": "1"}
    return subprocess.run(command, cwd=cwd, env=environment | variables, capture_output=True, text=True)


def test_there_is_a_template_for_every_kind() -> None:
    assert (*KINDS, "run") == ALL_KINDS
    listed = re.findall(r"\w+", (new_plugin.help or "").split("KIND is one of")[1].split("(sees")[0])
    assert sorted(listed) == sorted(ALL_KINDS)


def test_all_of_them_together_pass_their_own_tests(
    packages: Packages, all_installed: Path, tmp_path: Path
) -> None:
    """In one process, with warnings as errors, as each asks for in its own."""
    for _, folder in packages.values():
        settings = tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
        assert settings["filterwarnings"] == ["error"]
        for test in (folder / "tests").glob("*.py"):
            shutil.copy(test, tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib"]
    done = run([*command, "--doctest-modules", ".", str(all_installed)], tmp_path, all_installed)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr
    assert "warning" not in done.stdout


TRIALS = """
import json, sys
from learnkit.cli import main

with open("data.sample_reader", "w") as file:
    file.writelines('{"width": %d, "price": %d.5}\\n' % (i, 3 * i) for i in range(60))
wrong = []
for kind, trial in json.loads(sys.argv[1]).items():
    words = trial.split()[1:]
    more = ["--epochs", "1", "--quiet", "--name", "digits", "--overwrite"] if words[0] == "train" else []
    if main([*words, *more]) != 0:
        wrong.append(kind)
sys.exit(f"these do not work: {wrong}" if wrong else 0)
"""


def test_each_is_used_from_the_command_line(packages: Packages, all_installed: Path, tmp_path: Path) -> None:
    """The command that ``plugins new`` says last, with one epoch where it trains."""
    trials = {kind: package.trial() for kind, (package, _) in packages.items()}
    done = run([sys.executable, "-c", TRIALS, json.dumps(trials)], tmp_path, all_installed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "model.h").is_file()
    assert (tmp_path / "runs" / "digits" / "sample_run-events.jsonl").is_file()


@pytest.mark.parametrize("prefix", ["a", "rather-longer-one-"], ids=["short", "long"])
def test_the_style_does_not_depend_on_the_name(prefix: str, tmp_path: Path) -> None:
    ruff = shutil.which("ruff") or shutil.which("ruff", path=str(Path(sys.executable).parent))
    if ruff is None:
        pytest.skip("ruff is not installed")
    for kind in ALL_KINDS:
        package = named(f"{prefix}{kind}", kind)
        write(package, tmp_path / package.distribution)
    for command in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = subprocess.run([ruff, *command, str(tmp_path)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("given", "distribution", "module", "name", "class_name"),
    [
        ("wave", "learnkit-wave", "learnkit_wave", "wave", "Wave"),
        ("Log_Wave", "learnkit-log-wave", "learnkit_log_wave", "log_wave", "LogWave"),
        ("learnkit-log.wave", "learnkit-log-wave", "learnkit_log_wave", "log_wave", "LogWave"),
        ("wave2", "learnkit-wave2", "learnkit_wave2", "wave2", "Wave2"),
        ("any", "learnkit-any", "learnkit_any", "any", "AnyLoss"),
        ("true", "learnkit-true", "learnkit_true", "true", "TrueLoss"),
        ("exception", "learnkit-exception", "learnkit_exception", "exception", "ExceptionLoss"),
    ],
)
def test_names_follow_from_one(
    given: str, distribution: str, module: str, name: str, class_name: str
) -> None:
    """A class is not called like something that its module needs, or like something of Python's own."""
    assert named(given, "loss") == Package("loss", name, distribution, module, class_name)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("wave", "los", "--kind: unknown kind 'los' (did you mean 'loss'?)"),
        ("a b", "loss", "'a b' is no name of a distribution"),
        ("", "loss", "'' is no name of a distribution"),
        ("wave-", "loss", "'wave-' is no name of a distribution"),
        ("../wave", "loss", "'../wave' is no name of a distribution"),
        ("welle\u00e4", "loss", "is no name of a distribution"),
        ("3d", "loss", "'3d' would be the name '3d', which begins with a digit"),
        ("lambda", "schedule", "'lambda' would be the name 'lambda', which is a word of Python itself"),
        ("huber", "loss", "the loss 'huber' is built in"),
        ("l1", "transform", "the transform 'l1' is built in"),
    ],
)
def test_a_name_that_cannot_be_is_refused(name: str, kind: str, message: str) -> None:
    with pytest.raises(ArgumentError) as info:
        named(name, kind)
    assert message in info.value.message
    assert info.value.hint


def test_a_name_of_another_kind_is_free() -> None:
    assert named("huber", "metric").name == "huber"


GOOD = """
from dataclasses import dataclass
from learnkit.losses import ElementwiseLoss

@dataclass(frozen=True)
class Wave(ElementwiseLoss):
    \"\"\"A wave: ``|d|`` times delta.\"\"\"
    delta: float = 2.0

def learnkit_register_losses(register):
    register("wave", Wave)
    register("long_wave", Wave)
"""


def test_a_name_that_is_taken_by_a_plugin_is_refused(install: Callable[..., None]) -> None:
    install("learnkit-sea", GOOD)
    with registry.isolated():
        for name in ("wave", "learnkit-sea", "long-wave"):
            with pytest.raises(ArgumentError, match=r"learnkit-sea 1\.0"):
                named(name, "loss")
        assert named("wave", "metric").name == "wave"


def test_a_module_that_is_there_is_not_hidden(site: Path) -> None:
    (site / "learnkit_wave.py").write_text("")
    with registry.isolated(), pytest.raises(ArgumentError, match="there is a module learnkit_wave already"):
        named("wave", "loss")


def test_nothing_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "learnkit-wave").mkdir()
    assert main(["plugins", "new", "wave", "--kind", "loss"]) == 2
    assert "error: learnkit-wave is there already, and nothing is overwritten" in capsys.readouterr().err
    assert list((tmp_path / "learnkit-wave").iterdir()) == []


def test_what_it_says_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["plugins", "new", "wave", "--kind", "optimizer", "--directory", "my wave", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["next"][0] == "cd 'my wave'"
    assert said["next"][-1] == "learnkit train digits --optimizer wave"
    found = {str(path.relative_to("my wave")) for path in Path("my wave").rglob("*") if path.is_file()}
    assert found == set(said["files"])
    project = tomllib.loads(Path("my wave/pyproject.toml").read_text())["project"]
    assert project["name"] == said["distribution"] == "learnkit-wave"
    assert project["entry-points"] == {"learnkit": {"wave": "learnkit_wave"}}
    assert project["license"] == "MIT"
    assert project["dependencies"] == ["pylearnkit>=0.1"]
    assert main(["plugins", "new", "wave", "--kind", "run"]) == 0
    assert "learnkit-wave, a plugin with hooks that see runs, 'wave'" in capsys.readouterr().out
    project = tomllib.loads(Path("learnkit-wave/pyproject.toml").read_text())["project"]
    assert project["entry-points"] == {"learnkit.runs": {"wave": "learnkit_wave"}}


def test_info_says_what_a_plugin_is(
    install: Callable[..., None], site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("learnkit-sea", GOOD, name="sea")
    with (site / "learnkit_sea-1.0.dist-info" / "METADATA").open("a") as file:
        file.write("Summary: Waves.\nProject-URL: Homepage, https://example.org/sea\n")
    for asked in ("sea", "learnkit-sea", "Learnkit_Sea"):
        with registry.isolated():
            assert main(["plugins", "info", asked, "--json"]) == 0
        (said,) = json.loads(capsys.readouterr().out)["plugins"]
        components = said.pop("components")
        assert said == {
            "name": "sea",
            "distribution": "learnkit-sea",
            "version": "1.0",
            "summary": "Waves.",
            "homepage": "https://example.org/sea",
            "module": "learnkit_sea",
            "location": str(site / "learnkit_sea.py"),
            "requires": "pylearnkit>=0.1",
            "status": "ok",
            "detail": "",
            "hooks": ["learnkit_register_losses"],
            "output": "",
            "traceback": "",
        }
        assert [(c["kind"], c["name"], c["summary"]) for c in components] == [
            ("loss", "wave", "A wave: ``|d|`` times delta"),
            ("loss", "long_wave", "A wave: ``|d|`` times delta"),
        ]
        assert components[0]["options"] == ["delta=2.0", "reduction='mean'"]
    with registry.isolated():
        assert main(["plugins", "info", "sea"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "learnkit-sea 1.0"
    assert "  summary   Waves." in lines
    assert "    options: delta=2.0, reduction='mean'" in lines


def test_info_says_why_a_plugin_is_broken(
    install: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    install("learnkit-sea", "print('ahoy')\ndef f():\n    raise OSError('no sea')\nf()\n")
    with registry.isolated():
        assert main(["plugins", "info", "learnkit-sea"]) == 0
    said = capsys.readouterr().out
    assert "  status    failed: OSError: no sea" in said
    assert re.search(r'File ".*learnkit_sea.py", line 3, in f', said)
    assert "  it wrote while it was loaded:\n    ahoy\n" in said
    with registry.isolated():
        assert main(["plugins", "info", "learnkit-see"]) == 2
    error = capsys.readouterr().err
    assert "no plugin 'learnkit-see' is installed (did you mean 'learnkit-sea'?)" in error


def test_info_on_a_file_beside_the_run(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "learnkit_local.py").write_text(GOOD)
    with registry.isolated():
        assert main(["plugins", "info", "learnkit_local"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "learnkit_local"
    assert f"  file      {tmp_path / 'learnkit_local.py'}" in lines
    assert "  loss wave" in lines


def test_list_has_a_line_for_each(
    install: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with registry.isolated():
        assert main(["plugins", "list"]) == 0
    assert "no plugins are installed" in capsys.readouterr().out
    install("learnkit-sea", GOOD)
    install("learnkit-storm", "raise OSError('the wind is so strong that ' + 9 * 'nobody stands, ')\n")
    with registry.isolated():
        assert main(["plugins", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("  ")[0] == "plugin"
    assert re.fullmatch(r"learnkit-sea    1\.0      ok      loss: wave, long_wave", lines[1])
    assert re.fullmatch(r"learnkit-storm  1\.0      failed  OSError: the wind .* stands,", lines[2])
    assert lines[3] == "more on one of them: learnkit plugins info learnkit-storm"

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    with registry.isolated():
        assert main(["plugins", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) == 80
    assert lines[2].endswith("…")
