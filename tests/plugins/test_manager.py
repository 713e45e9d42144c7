"""Plugins of every broken kind beside a good one, which keeps working."""

from __future__ import annotations

import importlib.metadata as metadata
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from learnkit.errors import PluginError, UnknownNameError
from learnkit.plugins import PluginRecord, hookimpl, registry
from learnkit.plugins.hooks import PluginHooks

Install = Callable[..., None]

GOOD = """
    class Wave:
        pass

    def learnkit_register_losses(register):
        register("wave", Wave)
"""

#: distribution, source, status, detail. The plugin's own names never appear in the registry.
BROKEN = [
    ("t-import", "import not_a_module", "failed", "ModuleNotFoundError: No module named 'not_a_module'"),
    ("t-syntax", "def learnkit_register_losses(register:", "failed", "SyntaxError: '(' was never closed"),
    ("t-exit", "import sys; sys.exit(3)", "failed", "SystemExit: 3"),
    (
        "t-mute",
        "class Mute(BaseException):\n  def __str__(self): raise OSError\nraise Mute",
        "failed",
        "Mute",
    ),
    (
        "t-argument",
        "def learnkit_register_losses(register, config): pass",
        "failed",
        "Plugin 't-argument' for hook 'learnkit_register_losses'",
    ),
    (
        "t-default",
        "def learnkit_register_losses(register=None): pass",
        "failed",
        "learnkit_register_losses gives its argument 'register' a default value; "
        "pluggy passes only arguments without one",
    ),
    (
        "t-unknown",
        "def learnkit_register_loss(register): pass",
        "failed",
        "unknown hook 'learnkit_register_loss' (did you mean 'learnkit_register_losses'?)",
    ),
    (
        "t-raises",
        """
        def learnkit_register_activations(register): register("partial", int)
        def learnkit_register_losses(register):
            register("partial", int)
            raise RuntimeError("in the hook\\nand more")
        """,
        "failed",
        "RuntimeError: in the hook",
    ),
    (
        "t-name",
        "def learnkit_register_losses(register): register('a:b', int)",
        "failed",
        "learnkit_register_losses registers the name 'a:b'; expected a letter or digit",
    ),
    (
        "t-factory",
        "def learnkit_register_losses(register): register('three', 3)",
        "failed",
        "learnkit_register_losses registers 'three' as 3; expected a class or a function",
    ),
    (
        "t-colours",
        "raise RuntimeError('\\x1b[31mred\\nand more')",
        "failed",
        "RuntimeError: \\x1b[31mred",
    ),
    (
        "t-yields",
        "def learnkit_register_losses(register): yield register('x', int)",
        "failed",
        "learnkit_register_losses has a yield, so a call of it does nothing",
    ),
    (
        "t-async",
        "async def learnkit_register_losses(register): register('x', int)",
        "failed",
        "learnkit_register_losses is written with async, and nothing awaits it",
    ),
    (
        "t-number",
        "learnkit_register_losses = 3",
        "failed",
        "learnkit_register_losses is 3; expected a function",
    ),
    (
        "t-twice",
        "def learnkit_register_losses(register): register('x', int); register('x', float)",
        "failed",
        "learnkit_register_losses registers 'x' twice",
    ),
    (
        "t-shadow",
        """
        def learnkit_register_activations(register): register("partial", int)
        def learnkit_register_optimizers(register): register("adam", int)
        """,
        "conflict",
        "the optimizer 'adam' is built in, and t-shadow 1.0 offers it too",
    ),
]
IDS = [case[0] for case in BROKEN]


def by_name(records: tuple[PluginRecord, ...]) -> dict[str, PluginRecord]:
    return {record.name: record for record in records}


def test_a_good_plugin_is_found_by_its_entry_point(install: Install, fresh: registry.Registry) -> None:
    install("t-good", GOOD)
    assert registry.records() == (
        PluginRecord("t-good", "t-good", "1.0", "ok", components={"loss": ("wave",)}),
    )
    assert type(registry.create("loss", "wave")).__module__ == "t_good"


@pytest.mark.parametrize(("name", "source", "status", "detail"), BROKEN, ids=IDS)
def test_a_broken_plugin_is_a_record_with_its_reason(
    name: str, source: str, status: str, detail: str, install: Install, fresh: registry.Registry
) -> None:
    install(name, source)
    (record,) = registry.records()
    assert (record.status, record.components, record.version) == (status, {}, "1.0")
    assert record.detail.startswith(detail)
    assert "\n" not in record.detail
    assert bool(record.traceback) == (status == "failed")
    if record.traceback:
        assert record.traceback.startswith("Traceback (most recent call last)")


def test_all_the_broken_ones_together_leave_the_good_one_working(
    install: Install, fresh: registry.Registry
) -> None:
    for name, source, _, _ in BROKEN:
        install(name, source)
    install("t-good", GOOD)
    install("t-zlast", GOOD.replace("wave", "zlast"))
    status = {record.name: record.status for record in registry.records()}
    assert status == {
        **{name: status for name, _, status, _ in BROKEN},
        "t-good": "ok",
        "t-zlast": "ok",
    }
    assert list(status) == sorted(status)
    assert registry.names("loss") == ["l2", "mse", "wave", "zlast"]
    assert registry.names("activation") == []
    assert registry.get("optimizer", "adam").__module__ == "t_builtin"


@pytest.mark.parametrize(("name", "source", "status", "detail"), BROKEN, ids=IDS)
def test_strict_mode_raises_for_a_broken_plugin(
    name: str,
    source: str,
    status: str,
    detail: str,
    install: Install,
    fresh: registry.Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LEARNKIT_STRICT_PLUGINS", "1")
    install(name, source)
    for _ in range(2):
        with pytest.raises(PluginError) as info:
            registry.records()
        assert info.value.message.startswith(f"plugin {name!r}: {name} ({detail}")
    assert registry.get("optimizer", "adam").__module__ == "t_builtin"


def test_a_plugin_for_another_version_is_not_imported(install: Install, fresh: registry.Registry) -> None:
    install("t-future", "raise AssertionError('imported')", requires="pylearnkit>=9")
    (record,) = registry.records()
    assert (record.status, record.detail) == ("incompatible", "needs pylearnkit>=9, running 0.1.0")
    assert "t_future" not in sys.modules


def test_strict_mode_raises_for_another_version_once_and_plainly(
    install: Install, fresh: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNKIT_STRICT_PLUGINS", "1")
    install("t-future", "", requires="pylearnkit>=9")
    with pytest.raises(PluginError) as info:
        registry.records()
    assert str(info.value) == (
        "plugin 't-future': t-future (needs pylearnkit>=9, running 0.1.0)\n"
        "  raised as LEARNKIT_STRICT_PLUGINS is set"
    )


def test_the_running_version_is_that_of_learnkit(install: Install, site: Path) -> None:
    import learnkit

    install("t-future", "", requires="pylearnkit>=99")
    with registry.isolated(("t_builtin",)):
        (record,) = registry.records()
    assert record.detail == f"needs pylearnkit>=99, running {learnkit.__version__}"


def test_what_a_plugin_prints_is_one_line_on_stderr(
    install: Install, fresh: registry.Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    install(
        "t-print",
        """
        print("at import")
        def learnkit_register_losses(register): print("in the hook")
        """,
    )
    assert registry.records()[0].status == "ok"
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "plugin t-print 1.0 wrote 'at import' and 1 more line while it was loaded; "
        "LEARNKIT_TRACE_PLUGINS=1 shows what it writes\n"
    )
    assert registry.records()[0].output == "at import\nin the hook\n"


def test_the_users_interrupt_is_not_swallowed(install: Install, fresh: registry.Registry) -> None:
    install("t-good", GOOD)
    install("t-slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        registry.records()
    install("t-slow", "", version="2.0")  # the module is replaced; loading starts again and succeeds
    shutil.rmtree(Path(sys.path[0]) / "t_slow-1.0.dist-info")
    assert {record.name: record.status for record in registry.records()} == {"t-good": "ok", "t-slow": "ok"}


def test_one_plugin_name_in_two_distributions_is_refused(install: Install, fresh: registry.Registry) -> None:
    install("t-one", GOOD, name="wave")
    install("t-two", "raise AssertionError('imported')", name="wave", version="2.0")
    install("t-other", GOOD.replace('"wave"', '"other"'))
    first, second = (record for record in registry.records() if record.name == "wave")
    assert (first.distribution, second.distribution) == ("t-one", "t-two")
    assert first.status == second.status == "conflict"
    assert first.detail == second.detail == "the plugin name 'wave' is used by t-one 1.0 and t-two 2.0"
    assert registry.names("loss") == ["l2", "mse", "other"]


def test_one_component_name_in_two_plugins_is_refused(install: Install, fresh: registry.Registry) -> None:
    install("t-one", GOOD)
    install("t-two", GOOD, version="2.0")
    install("t-shadow", GOOD + '\n        register("mse", Wave)')  # is refused for mse, and not for wave
    records = by_name(registry.records())
    assert {record.status for record in records.values()} == {"conflict"}
    detail = "the loss 'wave' is offered by t-one 1.0 and t-two 2.0"
    assert records["t-one"].detail == records["t-two"].detail == detail
    assert records["t-shadow"].detail == "the loss 'mse' is built in, and t-shadow 1.0 offers it too"
    with pytest.raises(UnknownNameError, match="3 plugins failed to load: t-one "):
        registry.get("loss", "wave")


def test_the_same_name_in_two_kinds_is_no_conflict(install: Install, fresh: registry.Registry) -> None:
    install("t-one", GOOD)
    install("t-two", "def learnkit_register_metrics(register): register('wave', int)")
    assert [record.status for record in registry.records()] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("value", "loaded"),
    [
        ("t-good", {"t-good"}),
        (" t-good , t_Two", {"t-good", "second"}),
        ("second", {"second"}),
        ("", set()),
    ],
)
def test_only_the_plugins_asked_for_are_loaded(
    value: str,
    loaded: set[str],
    install: Install,
    fresh: registry.Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Plugins are named by entry point or by distribution."""
    monkeypatch.setenv("LEARNKIT_PLUGINS", value)
    install("t-good", GOOD)
    install("t-two", GOOD.replace("wave", "two"), name="second")
    records = registry.records()
    assert {record.name for record in records if record.status == "ok"} == loaded
    rest = [record for record in records if record.status != "ok"]
    assert all((record.status, record.detail) == ("blocked", "not in LEARNKIT_PLUGINS") for record in rest)
    assert ("t_two" in sys.modules) == ("second" in loaded)


def test_asking_for_one_of_two_settles_a_conflict(
    install: Install, fresh: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNKIT_PLUGINS", "t-two")
    install("t-one", GOOD, name="wave")
    install("t-two", GOOD, name="wave")
    assert registry.get("loss", "wave").__module__ == "t_two"


def test_a_plugin_asked_for_and_not_installed_is_recorded(
    install: Install, fresh: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNKIT_PLUGINS", "t-godo")
    install("t-good", GOOD)
    records = by_name(registry.records())
    assert records["t-godo"].status == "failed"
    detail = "named in LEARNKIT_PLUGINS, and not installed (did you mean 't-good'?)"
    assert records["t-godo"].detail == detail


def test_plugins_can_be_switched_off_before_and_after_they_are_loaded(
    install: Install, fresh: registry.Registry
) -> None:
    install("t-good", GOOD)
    assert "wave" in registry.names("loss")
    registry.disable_third_party("--no-plugins")
    assert registry.names("loss") == ["l2", "mse"]
    (record,) = registry.records()
    assert (record.status, record.detail) == ("blocked", "--no-plugins")
    with pytest.raises(UnknownNameError, match=r"1 plugin not loaded: t-good \(--no-plugins\)"):
        registry.get("loss", "wave")


def test_a_built_in_name_costs_no_entry_point_and_no_other_kind(
    fresh: registry.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "entry_points", None)
    registry.get("optimizer", "adam")
    registry.create("optimizer", "adam:lr=0.5")
    registry.names("optimizer", third_party=False)
    assert sys.modules["t_builtin"].called == ["optimizer"]


def test_an_error_in_a_built_in_hook_is_raised(site: Path) -> None:
    (site / "t_bad.py").write_text("def learnkit_register_losses(register): 1 / 0")
    with registry.isolated(("t_bad",)), pytest.raises(ZeroDivisionError):
        registry.names("loss")


def test_two_built_in_modules_do_not_shadow_each_other(site: Path) -> None:
    (site / "t_more.py").write_text("def learnkit_register_losses(register): register('mse', int)")
    with registry.isolated(("t_builtin", "t_more")), pytest.raises(PluginError) as info:
        registry.names("loss")
    assert str(info.value) == "t_more registers the loss 'mse' a second time"


def test_a_plugin_may_look_names_up_while_it_is_imported(install: Install, fresh: registry.Registry) -> None:
    install(
        "t-curious",
        """
        from learnkit.plugins import registry
        Base = registry.get("optimizer", "adam")
        seen = registry.names("loss")
        def learnkit_register_optimizers(register): register("mine", type("Mine", (Base,), {}))
        """,
    )
    assert registry.create("optimizer", "mine:lr=2").lr == 2
    assert sys.modules["t_curious"].seen == ["l2", "mse"]


def test_distributions_with_damaged_metadata_are_loaded(
    install: Install, fresh: registry.Registry, site: Path
) -> None:
    install("t-good", GOOD)
    (site / "t_good-1.0.dist-info" / "METADATA").unlink()
    (record,) = registry.records()
    assert (record.name, record.distribution, record.status) == ("t-good", "", "ok")
    assert str(record) == "t-good"


@pytest.mark.parametrize(
    ("source", "target", "status", "detail"),
    [
        ("x = 1", "", "ok", "it registers nothing"),
        ("class Plugin:\n  def learnkit_register_losses(self, register): pass", ":Plugin()", "failed", ""),
        (
            "class Plugin:\n  def learnkit_register_losses(self, register): pass",
            ":Plugin",
            "failed",
            "the entry point gives the class Plugin; expected a module or an object "
            "(are the parentheses of Plugin() missing?)",
        ),
        (
            "class Plugin:\n  def learnkit_register_losses(self, register): register('wave', int)\n"
            "plugin = Plugin()",
            ":plugin",
            "ok",
            "",
        ),
    ],
)
def test_an_entry_point_gives_a_module_or_an_object(
    source: str, target: str, status: str, detail: str, install: Install, fresh: registry.Registry
) -> None:
    install("t-kind", source, target=target)
    (record,) = registry.records()
    assert record.status == status
    assert record.detail == detail or not detail


def test_the_decorator_is_welcome_and_not_needed() -> None:
    def named(register) -> None:  # type: ignore[no-untyped-def]
        register("plain", int)

    marked = hookimpl(specname="learnkit_register_losses")(named)
    plugin = SimpleNamespace(
        other=marked, learnkit_register_metrics=lambda register: register("m", int), learnkit_number=3
    )
    hooks = PluginHooks(plugin, "both")
    assert hooks.components("loss") == {"plain": int}
    assert hooks.components("metric") == {"m": int}
    assert hooks.components("layer") == {}
