"""What a plugin does besides registering: it is held back, put back, or named."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from learnkit.plugins import registry
from learnkit.plugins.guard import guarded

Install = Callable[..., None]

WAVE = "\ndef learnkit_register_losses(register): register('wave', type('Wave', (), {}))\n"

#: what a plugin does when it is imported, and what its record says of it
CHANGES = [
    ("import os; os.chdir('/')", "it changed the working directory, which is put back"),
    (
        "import os; os.environ['T_NEW'] = '1'; os.environ['T_OLD'] = 'other'; del os.environ['T_GONE']",
        "it changed the environment (T_GONE, T_NEW, T_OLD), which is put back",
    ),
    (
        "import logging; logging.basicConfig(level=10, force=True)",
        "it changed the handlers or the level of the root logger, which is put back",
    ),
    (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)",
        "it changed the handlers of signals, which is put back",
    ),
    (
        "import sys; sys.excepthook = print",
        "it changed what is done with uncaught exceptions, which is put back",
    ),
    ("import sys; sys.setrecursionlimit(123456)", "it changed the recursion limit, which is put back"),
    ("import numpy; numpy.seterr(all='raise')", "it changed NumPy's error handling, which is put back"),
    (
        "import sys; del sys.modules['json']; sys.modules['numpy'] = object()",
        "it changed the modules (json, numpy), which is put back",
    ),
    ("import os; os.close(1)", "it changed stdout, which is put back"),
    ("import sys; sys.__stdout__.close(); sys.__stdout__.close()", "it changed stdout, which is put back"),
    ("import os; os.dup2(os.open(os.devnull, os.O_WRONLY), 2)", "it changed stderr, which is put back"),
]


def state() -> list[object]:
    import numpy as np

    root = logging.getLogger()
    descriptors = [os.fstat(number)[:2] for number in (0, 1, 2)]
    return [
        os.getcwd(),
        dict(os.environ),
        (list(root.handlers), root.level),
        signal.getsignal(signal.SIGINT),
        sys.excepthook,
        sys.getrecursionlimit(),
        np.geterr(),
        (sys.modules["json"], sys.modules["numpy"]),
        (sys.stdin, sys.stdout, sys.stderr),
        list(warnings.filters),
        descriptors,
    ]


@pytest.mark.parametrize(("source", "detail"), CHANGES, ids=[detail[11:40] for _, detail in CHANGES])
def test_what_a_plugin_changes_is_put_back(
    source: str,
    detail: str,
    install: Install,
    fresh: registry.Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("T_OLD", "mine")
    monkeypatch.setenv("T_GONE", "there")
    install("t-changes", source + WAVE)
    before = state()
    (record,) = registry.records()
    assert state() == before
    assert (record.status, record.detail) == ("ok", detail)
    assert registry.names("loss") == ["l2", "mse", "wave"]


def test_a_plugin_that_fails_leaves_nothing_changed_either(
    install: Install, fresh: registry.Registry
) -> None:
    install("t-changes", "import os; os.chdir('/'); os.environ['T_NEW'] = '1'; 1 / 0")
    before = state()
    (record,) = registry.records()
    assert state() == before
    assert record.detail == (
        "ZeroDivisionError: division by zero; it changed the working directory, which is put back; "
        "it changed the environment (T_NEW), which is put back"
    )


#: what a plugin does with the streams, and what is kept of it
WRITES = [
    ("import sys; sys.stdout.write('a'); sys.stderr.write('b\\n')", "ab\n"),
    ("import sys; sys.stdout.buffer.write(b'bytes\\n')", "bytes\n"),
    ("import sys; sys.stdout.close(); sys.stderr.close(); print('closed')", "closed\n"),
    ("import sys; sys.stdout = None; sys.stderr = None", ""),
    ("import sys; sys.stdout.reconfigure(encoding='ascii'); print('text')", "text\n"),
    (
        "import io, sys; sys.stdout = io.TextIOWrapper(sys.stdout.buffer); print('wrapped', flush=True)",
        "wrapped\n",
    ),
    ("import os; os.write(1, b'past Python\\n')", "past Python\n"),
    ("import os; os.system('echo from a program; echo and an error >&2')", "from a program\nand an error\n"),
    ("import warnings; warnings.warn('mind the gap')", "UserWarning: mind the gap\n"),
    ("import warnings; warnings.simplefilter('ignore'); warnings.warn('mind the gap')", ""),
    ("import faulthandler, sys; faulthandler.enable(); faulthandler.disable()", ""),
]


@pytest.mark.parametrize("name", ["learnkit-kernel", "learnkit-native"])
def test_threads_of_kernels_are_no_obstacle(
    name: str, install: Install, fresh: registry.Registry, capfd: pytest.CaptureFixture[str]
) -> None:
    """They write nothing, so what is written past Python is still the plugin's."""
    ends = threading.Event()
    threading.Thread(target=ends.wait, daemon=True, name=name).start()
    install("t-writes", "import os; os.write(1, b'past Python\\n')" + WAVE)
    try:
        (record,) = registry.records()
    finally:
        ends.set()
    assert record.output == "past Python\n"


@pytest.mark.parametrize(("source", "kept"), WRITES, ids=[source[:40] for source, _ in WRITES])
def test_what_a_plugin_writes_is_kept_and_told_in_one_line(
    source: str,
    kept: str,
    install: Install,
    fresh: registry.Registry,
    capfd: pytest.CaptureFixture[str],
) -> None:
    install("t-writes", source + WAVE)
    before = state()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        (record,) = registry.records()
    assert state() == before
    assert (record.status, record.output) == ("ok", kept)
    out, err = capfd.readouterr()
    assert out == ""
    assert len(err.splitlines()) == bool(kept)
    assert err.startswith("plugin t-writes 1.0 wrote ") or not kept


def test_a_stream_that_a_plugin_keeps_works_afterwards(
    install: Install, fresh: registry.Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    """A handler of a logger of its own, for example, is made when it is imported."""
    install("t-logs", "import logging, sys\nkept = logging.StreamHandler(sys.stdout).stream" + WAVE)
    registry.records()
    sys.modules["t_logs"].kept.write("later\n")
    assert capsys.readouterr() == ("", "later\n")


@pytest.mark.parametrize(
    ("name", "said"), [("t-poll", "; it left a thread running (t-poll)"), ("learnkit-native", "")]
)
def test_a_thread_that_goes_on_is_named(
    name: str, said: str, install: Install, fresh: registry.Registry
) -> None:
    """But for those of learnkit, which its kernels start when they are first called."""
    source = f"""
        import threading
        go = threading.Event()
        thread = threading.Thread(target=go.wait, name={name!r}, daemon=True)
        thread.start()
    """
    install("t-thread", source)
    (record,) = registry.records()
    module = sys.modules["t_thread"]
    module.go.set()
    module.thread.join()
    assert record.detail == f"it registers nothing{said}"


def test_the_output_of_other_threads_is_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    """What goes past ``sys.stdout`` is led away while one thread runs only."""
    wrote, done = threading.Event(), threading.Event()

    def work() -> None:
        wrote.wait()
        os.write(1, b"the program's own\n")
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    with guarded() as effects:
        wrote.set()
        done.wait()
    thread.join()
    assert capfd.readouterr().out == "the program's own\n"
    assert effects.written == ""


def test_a_program_without_a_console_loads_plugins_too(
    install: Install, fresh: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("t-talks", "print('hello')" + WAVE)
    for name in ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__"):
        monkeypatch.setattr(sys, name, None)
    names, streams = registry.names("loss"), (sys.stdin, sys.stdout, sys.stderr)
    monkeypatch.undo()
    assert names == ["l2", "mse", "wave"]
    assert streams == (None, None, None)


def test_an_interrupt_leaves_nothing_changed() -> None:
    before = state()

    def interrupted() -> None:
        os.chdir("/")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), guarded():
        interrupted()
    assert state() == before


def test_a_working_directory_that_is_gone_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with guarded() as effects:
        pass
    assert effects.changed == []


#: further ways to be a bad plugin: source, entry point's target, beginning of the detail
ODD = [
    ("class E(BaseException): pass\nraise E('so')", "", "E: so"),
    ("raise GeneratorExit", "", "GeneratorExit"),
    ("def f(): f()\nf()", "", "RecursionError: maximum recursion depth exceeded"),
    ("x = 1", ":missing", "AttributeError: module 't_odd' has no attribute 'missing'"),
    ("x = 1", ":a b", "AttributeError: "),
    (
        "def learnkit_register_losses(register): register(3, int)",
        "",
        "learnkit_register_losses registers the name 3; expected a letter or digit",
    ),
    (
        "def learnkit_register_losses(register): register(None, None)",
        "",
        "learnkit_register_losses registers the name None; expected",
    ),
    (
        "class N:\n  def __repr__(self): 1 / 0\ndef learnkit_register_losses(register): register('x', N())",
        "",
        "learnkit_register_losses registers 'x' as an object of N; expected a class or a function",
    ),
    ("def learnkit_register_losses(): pass\nlearnkit_register_metrics = learnkit_register_losses", "", "ok"),
    ("def learnkit_register_losses(register): yield", "", "ok"),
    ("class L: pass\ndef learnkit_register_losses(register): register('x')", "", "TypeError: "),
    ("def __getattr__(name): raise RuntimeError(name)", "", "ok"),
    ("import sys; sys.modules[__name__] = 3", "", "ok"),
    ("def learnkit_register_losses(register): from learnkit.plugins import records; records()", "", "ok"),
]


@pytest.mark.parametrize(("source", "target", "detail"), ODD, ids=range(len(ODD)))
def test_whatever_a_plugin_is_it_is_a_record(
    source: str, target: str, detail: str, install: Install, fresh: registry.Registry
) -> None:
    install("t-odd", source, target=target)
    install("t-good", WAVE)
    before = state()
    odd = next(record for record in registry.records() if record.name == "t-odd")
    assert state() == before
    if detail != "ok":
        assert odd.status == "failed"
        assert odd.detail.startswith(detail)
    assert "\n" not in odd.detail
    assert registry.names("loss") == ["l2", "mse", "wave"]


def test_a_class_that_cannot_be_looked_at_can_be_listed(install: Install, fresh: registry.Registry) -> None:
    from learnkit.plugins.catalog import catalog

    install(
        "t-meta",
        """
        class Meta(type):
            def __repr__(cls): raise RuntimeError
            def __eq__(cls, other): raise RuntimeError
            __hash__ = None
            @property
            def __doc__(cls): raise RuntimeError
        class Bad(metaclass=Meta): pass
        def learnkit_register_losses(register): register("bad", Bad)
        """,
    )
    assert registry.names("loss") == ["bad", "l2", "mse"]
    (entry,) = [entry for entry in catalog("loss") if entry.name == "bad"]
    assert entry.kind == "loss"
    assert registry.name_of(sys.modules["t_builtin"].Mse) == "mse"


def test_a_subclass_of_str_is_taken_for_the_text_that_it_holds(
    install: Install, fresh: registry.Registry
) -> None:
    install(
        "t-text",
        """
        class Text(str):
            def __str__(self): return "other"
            def __eq__(self, other): raise RuntimeError
            __hash__ = str.__hash__
        def learnkit_register_losses(register): register(Text("wave"), type("W", (), {}))
        """,
    )
    assert registry.names("loss") == ["l2", "mse", "wave"]
    assert all(type(name) is str for name in registry.names("loss"))


def test_one_broken_file_of_entry_points_spoils_no_other(
    install: Install, fresh: registry.Registry, site: Path
) -> None:
    """Installers write these files, and a half-written one would otherwise hide every plugin."""
    install("t-good", WAVE)
    for name, text in (("t-broken", "[learnkit]\nno equals sign\n"), ("t-foreign", "[other]\nnor here\n")):
        info = site / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(text)
    found = {record.name: record for record in registry.records()}
    assert found["t-good"].status == "ok"
    assert found["t-broken"].status == "failed"
    assert found["t-broken"].detail.startswith("its entry_points.txt cannot be read: ")
    assert "t-foreign" not in found
