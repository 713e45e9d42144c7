"""A package of every kind, made by ``learnkit plugins new``, put to the test as its author would.

``python tests/plugins/generated.py [KIND ...]`` makes an environment with a wheel of this checkout. For each
kind it writes the package and installs it with pip; runs its tests, style and types; runs ``learnkit plugins
check``; and uses it from the command line on NumPy, array-api-strict, torch and the stand-in for CuPy. Other
libraries are those of the Python that runs this script. It takes some minutes and prints a table; the exit
code is 1 if anything in it failed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BACKENDS = ("numpy", "strict", "torch", "cupy")
STAGES = ("install", "tests", "ruff", "mypy", "check", *BACKENDS)
EPOCHS = ("--epochs", "1", "--quiet", "--name", "digits", "--overwrite")


class Environment:
    """An environment of its own, with the libraries of the one that runs this script behind it."""

    def __init__(self, folder: Path) -> None:
        self.work, self.bin = folder / "work", folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        self.work.mkdir()
        self.log = folder / "log.txt"
        venv.create(folder / "venv")
        (own,) = (folder / "venv").rglob("site-packages")
        others = [path for path in sys.path if path.endswith("site-packages")]
        (own / "others.pth").write_text(
            "".join(f"import site; site.addsitedir({path!r})\n" for path in others)
        )
        source = folder / "source"
        shutil.copytree(ROOT / "learnkit", source / "learnkit", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        assert self.run("pip", "install", "--quiet", "--no-deps", "--no-build-isolation", str(source)), (
            self.said()
        )

    def run(self, *command: str, cwd: Path | None = None, **variables: str) -> bool:
        """Whether a command of the environment, or a module of it, ends well; what it says is kept."""
        program = self.bin / command[0]
        words = [str(program)] if program.exists() else [str(self.bin / "python"), "-m", command[0]]
        environment = {
            k: v for k, v in os.environ.items() if k == "LEARNKIT_CACHE" or not k.startswith("LEARNKIT_")
        }
        for name in ("PYTHONPATH", "VIRTUAL_ENV"):
            environment.pop(name, None)
        environment |= {"LEARNKIT_STRICT_PLUGINS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        done = subprocess.run(
            [*words, *command[1:]],
            cwd=cwd or self.work,
            env=environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with self.log.open("a") as log:
            log.write(f"\n$ {' '.join(command)}\n{done.stdout}-> {done.returncode}\n")
        self._said = f"$ {' '.join(command)}\n{done.stdout}"
        return done.returncode == 0 and "warning" not in done.stdout.lower()

    def said(self) -> str:
        """What the last command said."""
        return self._said


def put_to_the_test(kind: str, environment: Environment) -> dict[str, bool]:
    """How each stage ended for a package of a kind."""
    distribution = f"learnkit-sample-{kind}"
    package = environment.work / distribution
    made = environment.run("learnkit", "plugins", "new", distribution, "--kind", kind)
    trial = environment.said().rstrip().splitlines()[-1].split()[1:]

    stages = {
        "install": [("pip", "install", "--quiet", "--no-deps", "--no-build-isolation", ".")],
        "tests": [("pytest", "-q", "-p", "no:cacheprovider")],
        "ruff": [("ruff", "check", "--quiet", "."), ("ruff", "format", "--quiet", "--check", ".")],
        "mypy": [("mypy", "--cache-dir", str(environment.work / "mypy-cache"))],
        "check": [("learnkit", "plugins", "check", distribution)],
    }
    found: dict[str, bool] = {}
    for stage, commands in stages.items():
        found[stage] = made and all(environment.run(*command, cwd=package) for command in commands)
        if not found[stage]:
            print(f"{kind}, {stage}:\n{environment.said()}", file=sys.stderr)
    for backend in BACKENDS:
        found[backend] = all(
            environment.run("learnkit", *words, LEARNKIT_FAKE_CUPY="1" if backend == "cupy" else "0")
            for words in trials(kind, trial, backend)
        )
        if not found[backend]:
            print(f"{kind}, {backend}:\n{environment.said()}", file=sys.stderr)
    return found


def trials(kind: str, trial: list[str], backend: str) -> list[list[str]]:
    """The command that ``plugins new`` says last, on a backend; a run is made before, where one is needed."""
    on = [] if kind == "backend" else ["--backend", backend]
    if trial[0] == "train":
        return [[*trial, *EPOCHS, *on]]
    return [["train", "digits", *EPOCHS, *on], trial]


def main(kinds: list[str]) -> int:
    """Put packages of the kinds, or of all, to the test."""
    sys.path.insert(0, str(ROOT))
    from learnkit.cli.plugins.scaffold import ALL_KINDS

    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        environment = Environment(Path(folder))
        rows = "".join(f'{{"width": {i}, "price": {3 * i}.5}}\n' for i in range(60))
        (environment.work / "data.sample_reader").write_text(rows)
        print("kind".ljust(14), *(stage.ljust(8) for stage in STAGES))
        wrong = 0
        for kind in kinds or ALL_KINDS:
            found = put_to_the_test(kind, environment)
            wrong += sum(not ok for ok in found.values())
            print(
                kind.ljust(14),
                *(("ok" if found[stage] else "FAILED").ljust(8) for stage in STAGES),
                flush=True,
            )
        print(f"{wrong} failed, in {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
