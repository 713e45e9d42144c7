"""The pages in ``learnkit/docs`` are true: Python runs, plugins load, commands print what they say.

How a block is run is said by a comment in front of it:

``<!-- file: NAME -->``     the block is written to that file
``<!-- plugin: NAME -->``   it is a module of that name, and installed; ``requires SPEC`` may follow, or
                            ``group GROUP`` for its entry point
(nothing)                   Python runs in one session; in a console each ``$`` line is a command, and what
                            follows is what it prints, where ``...`` stands for anything

Everything happens in this process, in a folder and with a registry that see only the plugins of the page, or
of the chapter (``##``) where each has its own.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import importlib.metadata as metadata
import inspect
import io
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from learnkit.plugins import hookspecs, registry
from learnkit.plugins.hookspecs import HOOKS, LIFECYCLE

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "learnkit" / "docs"
PAGES = ("performance.md", "checks.md", "plugins.md", "hooks.md", "plugins-when-it-breaks.md")
_BLOCK = re.compile(r"(?:^<!-- (\w+): (.+?) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, its text, what the comment before it says, and its line."""

    language: str
    text: str
    mark: str
    name: str
    line: int


def chapters(page: str) -> list[tuple[str, list[Block]]]:
    """The headings ``##`` of a page with their blocks; what comes before the first has the heading ``""``."""
    text = (DOCS / page).read_text(encoding="utf-8")
    starts = [0, *(found.start() for found in re.finditer(r"^## ", text, re.MULTILINE)), len(text)]
    found = []
    for start, end in itertools.pairwise(starts):
        part = text[start:end]
        heading = part.partition("\n")[0].removeprefix("## ") if start else ""
        blocks = [
            Block(language, body, mark, name, text.count("\n", 0, start + match.start()) + 1)
            for match in _BLOCK.finditer(part)
            for mark, name, language, body in [match.groups(default="")]
        ]
        found.append((heading, blocks))
    return found


class Place:
    """A folder to work in, a folder of installed modules, and a registry that sees only them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.work, self.site = folder / "work", folder / "site"
        self.work.mkdir()
        self.site.mkdir()
        self.session: dict[str, object] = {"__name__": "docs"}
        self._patch = monkeypatch
        monkeypatch.chdir(self.work)
        for variable in [v for v in os.environ if v.startswith("LEARNKIT_") and v != "LEARNKIT_CACHE"]:
            monkeypatch.delenv(variable)
        monkeypatch.setattr(sys, "path", [str(self.site), *sys.path])
        monkeypatch.setattr(metadata, "entry_points", self._entry_points)

    def _entry_points(self, **wanted: str) -> metadata.EntryPoints:
        found = metadata.distributions(path=[str(self.site)])
        return metadata.EntryPoints(entry for dist in found for entry in dist.entry_points).select(**wanted)

    def install(self, module: str, source: str, requires: str = "pylearnkit>=0.1", group: str = "") -> None:
        """A module and its metadata, as an installer writes them; what sees runs has a group of its own."""
        (self.site / f"{module}.py").write_text(source, encoding="utf-8")
        groups = {
            "learnkit": "def learnkit_register_" in source or not any(h in source for h in LIFECYCLE),
            "learnkit.runs": any(f"def {hook}(" in source for hook in LIFECYCLE),
        }
        name = module.removeprefix("learnkit_")
        self._metadata(
            module.replace("_", "-"),
            "1.0",
            [requires],
            {one: {name: module} for one, fits in groups.items() if (one == group if group else fits)},
        )

    def install_package(self, folder: Path) -> None:
        """What ``pip install -e`` does: the folder on the path, and metadata."""
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        self._metadata(project["name"], project["version"], project["dependencies"], project["entry-points"])
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))

    def _metadata(
        self, distribution: str, version: str, requires: list[str], groups: dict[str, dict[str, str]]
    ) -> None:
        info = self.site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        lines = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        (info / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
        entries = [
            f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in e.items()) for group, e in groups.items()
        ]
        (info / "entry_points.txt").write_text("\n".join(entries), encoding="utf-8")
        importlib.invalidate_caches()

    def python(self, block: Block, page: str) -> None:
        """Run a block in the page's session, with the lines of the page in tracebacks."""
        code = compile("\n" * block.line + block.text, str(DOCS / page), "exec", dont_inherit=True)
        with contextlib.redirect_stdout(io.StringIO()):
            exec(code, self.session)

    def console(self, block: Block) -> None:
        """Run the commands of a block, and compare what they print."""
        commands = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
        assert not commands[0], f"line {block.line}: a console block begins with a command"
        for command in commands[1:]:
            typed, _, wanted = command.partition("\n")
            while typed.endswith("\\"):
                more, _, wanted = wanted.partition("\n")
                typed = typed[:-1] + more.lstrip("> ")
            code, got = self.run(typed)
            where = f"line {block.line}: $ {typed}\n{got}"
            assert code == 0 or wanted.strip(), where
            if wanted.strip():
                checker = doctest.OutputChecker()
                assert checker.check_output(wanted, got, doctest.ELLIPSIS), f"{where}\nexpected:\n{wanted}"

    def run(self, typed: str) -> tuple[int, str]:
        """The exit code of a command and what it prints."""
        words = shlex.split(typed, comments=True)
        environment = {}
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            environment[name] = value
        if words[0] == "cd":
            self._patch.chdir(words[1])
        elif words[:2] == ["pip", "install"]:
            self.install_package(Path(words[-1].partition("[")[0]).resolve())
        elif words[:3] == ["pip", "uninstall", "-y"]:
            (info,) = self.site.glob(f"{words[3].replace('-', '_')}-*.dist-info")
            shutil.rmtree(info)
        elif words[0] == "pytest":
            paths = os.pathsep.join([str(self.site), *sys.path])
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words[1:]],
                env=os.environ | {"PYTHONPATH": paths} | environment,
                capture_output=True,
                text=True,
            )
            return done.returncode, done.stdout + done.stderr
        elif words[0] == "cat":
            return 0, Path(words[1]).read_text(encoding="utf-8")
        elif words[0] == "learnkit":
            from learnkit.cli import main

            out = io.StringIO()
            with (
                self._patch.context() as patch,
                registry.isolated(),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(out),
            ):
                for name, value in environment.items():
                    patch.setenv(name, value)
                code = main(words[1:])
            return code, out.getvalue()
        else:
            raise AssertionError(f"nobody knows how to run {typed!r}")
        return 0, ""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    yield Place(tmp_path, monkeypatch)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def run_blocks(place: Place, page: str, blocks: list[Block]) -> None:
    for block in blocks:
        if block.mark == "plugin":
            name, _, group = block.name.partition(" group ")
            name, _, requires = name.partition(" requires ")
            place.install(name.removesuffix(".py"), block.text, requires or "pylearnkit>=0.1", group)
    with registry.isolated():
        for block in blocks:
            if block.mark == "file":
                (place.work / block.name).write_text(block.text, encoding="utf-8")
            elif block.mark == "plugin":
                pass
            elif block.language == "python":
                place.python(block, page)
            elif block.language == "console":
                place.console(block)
            else:
                assert block.language == "text", f"{page}, line {block.line}: {block.language} is not run"


def test_the_tutorial_is_true(place: Place) -> None:
    pytest.importorskip("safetensors")
    pytest.importorskip("torch")  # without it pytest says what it left out
    run_blocks(place, "plugins.md", [block for _, blocks in chapters("plugins.md") for block in blocks])


def test_the_page_on_performance_is_true(place: Place) -> None:
    pytest.importorskip("click")
    pytest.importorskip("torch")
    run_blocks(
        place, "performance.md", [block for _, blocks in chapters("performance.md") for block in blocks]
    )


CHAPTERS = chapters("hooks.md")
BREAKS = chapters("plugins-when-it-breaks.md")


def each(found: list[tuple[str, list[Block]]]) -> pytest.MarkDecorator:
    """A test for each chapter with blocks."""
    own = [(heading, blocks) for heading, blocks in found if blocks]
    return pytest.mark.parametrize(("heading", "blocks"), own, ids=[heading for heading, _ in own])


def signature(hook: str) -> str:
    """The hook as its chapter is called: ``learnkit_register_losses(register)``."""
    return f"{hook}({', '.join(inspect.signature(getattr(hookspecs, hook)).parameters)})"


def test_each_hook_has_a_chapter() -> None:
    headings = [heading.strip("`") for heading, _ in CHAPTERS if heading.startswith("`learnkit_")]
    assert headings == [signature(hook) for hook in (*HOOKS.values(), *LIFECYCLE)]


@each(CHAPTERS)
def test_a_chapter_on_a_hook_is_true(heading: str, blocks: list[Block], place: Place) -> None:
    pytest.importorskip("safetensors")
    pytest.importorskip("click")
    run_blocks(place, "hooks.md", blocks)
    plugins = [block for block in blocks if block.mark == "plugin"]
    if heading.startswith("`learnkit_"):
        hook = heading.strip("`").partition("(")[0]
        assert any(f"def {hook}(" in block.text for block in plugins), "the example has the hook"
        assert any(b.language in ("python", "console") and b.mark != "plugin" for b in blocks), "and uses it"


@each(BREAKS)
def test_a_chapter_on_what_breaks_is_true(heading: str, blocks: list[Block], place: Place) -> None:
    pytest.importorskip("safetensors")
    if "plugins check" in "".join(block.text for block in blocks):
        pytest.importorskip("torch")  # without it the command says what it left out
    run_blocks(place, "plugins-when-it-breaks.md", blocks)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
        assert target.startswith("https://") or (DOCS / target).exists(), target
