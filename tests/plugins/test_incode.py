"""Registration in code: for a process, for a block, and again from the same cell of a notebook."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import learnkit as lk
from learnkit.errors import ArgumentError, UnknownNameError
from learnkit.plugins import KINDS, incode, registry
from learnkit.plugins.functions import FORMS

Install = Callable[..., None]


@dataclass(frozen=True)
class Mine:
    rate: float = 1.0


@dataclass(frozen=True)
class Other:
    rate: float = 2.0


def test_there_is_one_function_for_each_kind(fresh: registry.Registry) -> None:
    for kind in KINDS:
        register = getattr(lk, f"register_{kind}")
        assert list(inspect.signature(register).parameters) == ["name", "factory", "override"]
        register("mine", Mine)
        assert registry.get(kind, "mine") is Mine
        assert registry.names(kind).count("mine") == 1
    assert {f"register_{kind}" for kind in KINDS} | {"registered"} == set(incode.__all__)
    assert set(FORMS) <= set(KINDS)


def test_what_was_registered_is_created_described_and_named(fresh: registry.Registry) -> None:
    lk.register_loss("mine", Mine)
    made = registry.create("loss", "mine:rate=3")
    assert made == Mine(3)
    assert registry.describe(made) == {"kind": "loss", "name": "mine", "rate": 3}
    assert registry.create("loss", registry.describe(made)) == made
    assert registry.name_of(Mine) == "mine"
    assert registry.names("loss") == ["l2", "mine", "mse"]
    assert registry.names("loss", third_party=False) == ["l2", "mse"]


def test_what_is_built_in_is_replaced_on_request_only(fresh: registry.Registry) -> None:
    built = registry.get("loss", "mse")
    with pytest.raises(ArgumentError) as info:
        lk.register_loss("mse", Mine)
    assert str(info.value) == (
        "the loss 'mse' is built in\n"
        "  take another name, or write override=True to replace it in this process"
    )
    assert registry.get("loss", "mse") is built
    lk.register_loss("mse", Mine, override=True)
    assert registry.create("loss", "mse") == Mine()
    assert registry.name_of(Mine()) == "mse"
    assert registry.name_of(built()) == "l2"  # another name of it, which still is it


def test_an_object_whose_name_is_another_one_now_is_not_described_wrongly(fresh: registry.Registry) -> None:
    built = registry.get("optimizer", "adam")
    with lk.registered(optimizer={"adam": Mine}, override=True):
        with pytest.raises(UnknownNameError) as info:
            registry.describe(built())
        assert info.value.hint == "the optimizer 'adam' is another one now, which replaces it"
    assert registry.describe(built())["name"] == "adam"


def test_the_same_place_may_register_again_and_another_may_not(fresh: registry.Registry) -> None:
    """As the cell of a notebook does that is run again: its class is a new one with the old name."""
    cell = "class Cell:\n    pass\nlk.register_loss('cell', Cell)"
    for _ in range(2):
        names: dict[str, Any] = {"lk": lk, "__name__": "__main__"}
        exec(cell, names)
        assert registry.get("loss", "cell") is names["Cell"]
    with pytest.raises(ArgumentError) as info:
        lk.register_loss("cell", Mine)
    assert str(info.value) == (
        f"the loss 'cell' is registered already, as __main__.Cell; {__name__}.Mine cannot be it too\n"
        "  take another name, or write override=True to replace it"
    )
    lk.register_loss("cell", Mine, override=True)
    assert registry.get("loss", "cell") is Mine


def test_a_function_may_be_registered_again_and_is_the_new_one(fresh: registry.Registry) -> None:
    import numpy as np

    for factor in (1.0, 3.0):
        source = f"def scaled(y_pred, y_true):\n    return {factor} * (y_pred - y_true)"
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(source, names)
        lk.register_loss("scaled", names["scaled"])
        assert registry.create("loss", "scaled")(np.asarray([2.0]), np.asarray([1.0])) == factor


def test_an_object_made_before_the_cell_was_run_again_keeps_its_name(fresh: registry.Registry) -> None:
    """So a trainer that was made before can still be saved."""
    cell = (
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Cell:\n    rate: float = 1.0\n"
        "lk.register_metric('cell', Cell)\nlk.register_loss('a', lambda y_pred, y_true, *, k=1.0: y_pred)\n"
        "lk.register_loss('b', lambda y_pred, y_true, *, k=1.0: y_true)"
    )
    names: dict[str, Any] = {"lk": lk, "__name__": "__main__"}
    exec(cell, names)
    made = [registry.create("metric", "cell:rate=2"), *(registry.create("loss", f"{n}:k=3") for n in "ba")]
    exec(cell, names)
    assert [registry.name_of(one) for one in made] == ["cell", "b", "a"]
    assert registry.create("metric", registry.describe(made[0])) == names["Cell"](2)
    assert registry.describe(made[1])["k"] == 3


def test_a_block_leaves_everything_as_before(fresh: registry.Registry) -> None:
    lk.register_loss("mine", Mine)
    with lk.registered(loss={"other": Other, "mine": Mine}, metric={"other": Other}):
        assert registry.names("loss") == ["l2", "mine", "mse", "other"]
        with lk.registered(loss={"other": Mine}, override=True):
            assert registry.get("loss", "other") is Mine
        assert registry.get("loss", "other") is Other
    assert registry.names("loss") == ["l2", "mine", "mse"]
    assert registry.names("metric") == []
    with pytest.raises(ZeroDivisionError), lk.registered(loss={"other": Other}):
        1 / 0  # noqa: B018
    assert registry.names("loss") == ["l2", "mine", "mse"]


@pytest.mark.parametrize(
    ("components", "message"),
    [
        ({"loss": {"fine": Mine, "mse": Mine}}, "the loss 'mse' is built in"),
        (
            {"loss": {"fine": Mine}, "los": {"x": Mine}},
            "unknown kind of component 'los' (did you mean 'loss'?)",
        ),
        (
            {"loss": {"fine": Mine, "a b": Mine}},
            "register_loss registers the name 'a b'; expected a letter or digit, then letters, digits, "
            "'_', '-' or '.'",
        ),
        (
            {"loss": {"fine": Mine, "x": 3}},
            "register_loss registers 'x' as 3; expected a class or a function",
        ),
    ],
)
def test_a_block_registers_all_or_nothing(
    components: dict[str, Any], message: str, fresh: registry.Registry
) -> None:
    with pytest.raises(ArgumentError) as info, lk.registered(**components):
        raise AssertionError("it was entered")
    assert info.value.message == message
    assert registry.names("loss") == ["l2", "mse"]


def test_registration_loads_no_plugin_and_hides_that_of_one(
    install: Install, fresh: registry.Registry
) -> None:
    """What somebody has written here is meant, whatever is installed; the record says so."""
    install("t-wave", "class Wave: pass\ndef learnkit_register_losses(register): register('wave', Wave)")
    lk.register_loss("wave", Mine)
    assert registry.get("loss", "wave") is Mine
    assert "t_wave" not in sys.modules
    (record,) = registry.records()
    assert (record.status, record.detail) == ("ok", "the loss 'wave' registered in code hides its own")
    assert registry.get("loss", "wave") is Mine
    with lk.registered(loss={"wave": Other}, override=True):
        assert registry.get("loss", "wave") is Other
    assert registry.get("loss", "wave") is Mine


def test_it_is_there_for_all_threads(fresh: registry.Registry) -> None:
    seen: list[Any] = []
    with lk.registered(loss={"mine": Mine}):
        thread = threading.Thread(target=lambda: seen.append(registry.get("loss", "mine")))
        thread.start()
        thread.join()
    assert seen == [Mine]


# In a plugin that is being imported

AT_IMPORT = """
    from dataclasses import dataclass
    import learnkit as lk
    @dataclass(frozen=True)
    class Wave:
        rate: float = 1.0
    lk.register_loss("wave", Wave)
"""


def test_what_a_plugin_registers_in_code_is_the_plugins(install: Install, fresh: registry.Registry) -> None:
    install("t-wave", AT_IMPORT)
    (record,) = registry.records()
    assert (record.status, record.components) == ("ok", {"loss": ("wave",)})
    assert registry.create("loss", "wave:rate=2").rate == 2
    registry.disable_third_party("off")
    assert registry.names("loss") == ["l2", "mse"]
    with registry.isolated(("t_builtin",), version="0.1.0"):  # the module is imported once in a process
        assert registry.names("loss") == ["l2", "mse", "wave"]


@pytest.mark.parametrize(
    ("more", "status", "detail"),
    [
        ("1 / 0", "failed", "ZeroDivisionError: division by zero"),
        ("lk.register_loss('wave', Wave)", "failed", "it registers the loss 'wave' twice"),
        (
            "def learnkit_register_losses(register): register('wave', Wave)",
            "failed",
            "it registers the loss 'wave' twice",
        ),
        (
            "lk.register_optimizer('adam', Wave)",
            "conflict",
            "the optimizer 'adam' is built in, and t-wave 1.0 offers it too",
        ),
        (
            "lk.register_optimizer('adam', Wave, override=True)",
            "failed",
            "it registers the optimizer 'adam' with override=True; only the user can let it, with "
            "LEARNKIT_OVERRIDE=t-wave",
        ),
    ],
)
def test_and_has_the_rules_of_plugins(
    more: str, status: str, detail: str, install: Install, fresh: registry.Registry
) -> None:
    install("t-wave", AT_IMPORT + f"    {more}\n")
    built = registry.get("optimizer", "adam")
    (record,) = registry.records()
    assert (record.status, record.detail) == (status, detail)
    assert registry.names("loss") == ["l2", "mse"]
    assert registry.get("optimizer", "adam") is built
