"""Components by name: made, described, and what is said when that cannot be done."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from learnkit.errors import ArgumentError, DataError, UnknownNameError
from learnkit.plugins import registry

Install = Callable[..., None]


@pytest.fixture
def built(fresh: registry.Registry) -> ModuleType:
    """The module of the built-ins of these tests."""
    registry.names("loss", third_party=False)
    return sys.modules["t_builtin"]


def test_names_are_sorted_and_given_for_every_kind(built: ModuleType, install: Install) -> None:
    install("t-good", "def learnkit_register_losses(register): register('huber', int)")
    assert registry.names("loss", third_party=False) == ["l2", "mse"]
    assert registry.names("loss") == ["huber", "l2", "mse"]
    assert registry.names("metric") == []


def test_an_unknown_name_is_answered_with_what_is_known(built: ModuleType) -> None:
    with pytest.raises(UnknownNameError) as info:
        registry.get("optimizer", "adm")
    assert str(info.value) == "unknown optimizer 'adm' (did you mean 'adam'?)\n  known: adam, sgd"
    with pytest.raises(UnknownNameError) as info:
        registry.get("metric", "accuracy")
    assert str(info.value) == "unknown metric 'accuracy'\n  known: none"


def test_an_unknown_name_is_answered_with_the_plugins_that_failed(
    built: ModuleType, install: Install
) -> None:
    install("t-broken", "import foo_that_is_missing")
    with pytest.raises(UnknownNameError) as info:
        registry.create("optimizer", "lion:lr=1")
    failed = "t-broken (ModuleNotFoundError: No module named 'foo_that_is_missing')"
    assert str(info.value) == (
        f"unknown optimizer 'lion'\n  known: adam, sgd\n  1 plugin failed to load: {failed}"
    )
    with registry.isolated(("t_builtin",), version="0.1.0"):
        install("t-late", "", requires="pylearnkit>=9")
        with pytest.raises(UnknownNameError) as info:
            registry.create("optimizer", "lion")
        late = "t-late (needs pylearnkit>=9, running 0.1.0)"
        assert str(info.value).endswith(f"\n  2 plugins failed to load: {failed}, {late}")


def test_an_unknown_kind_is_an_error_everywhere(built: ModuleType) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: registry.get("optimiser", "adam"),
        lambda: registry.names("optimiser"),
        lambda: registry.create("optimiser", "adam"),
        lambda: registry.name_of(int, "optimiser"),
    ]
    for call in calls:
        with pytest.raises(ArgumentError) as info:
            call()
        assert info.value.message == "unknown kind of component 'optimiser' (did you mean 'optimizer'?)"
        assert "known: activation, layer, initializer, loss" in str(info.value)


MADE: list[tuple[Any, str]] = [
    ("adam", "Adam(lr=0.001, betas=(0.9, 0.999))"),
    ("adam:lr=0.5,betas=(0.1,0.2)", "Adam(lr=0.5, betas=(0.1, 0.2))"),
    ("adam:betas=[0.1,0.2]", "Adam(lr=0.001, betas=(0.1, 0.2))"),
    ({"name": "adam", "betas": [0.1, 0.2]}, "Adam(lr=0.001, betas=(0.1, 0.2))"),
    ({"kind": "optimizer", "name": "adam", "lr": 1}, "Adam(lr=1, betas=(0.9, 0.999))"),
    (
        {"name": "adam", "lr": {"kind": "schedule", "name": "cosine", "lr": 2, "total_steps": 5}},
        "Adam(lr=Cosine(lr=2, total_steps=5), betas=(0.9, 0.999))",
    ),
    ("adam:lr=cosine", "Adam(lr='cosine', betas=(0.9, 0.999))"),  # from text a string stays a string
]


@pytest.mark.parametrize(("spec", "text"), MADE)
def test_a_component_is_made_from_every_form_of_its_name(spec: Any, text: str, built: ModuleType) -> None:
    assert repr(registry.create("optimizer", spec)) == text


def test_an_object_is_returned_and_a_class_is_called(built: ModuleType) -> None:
    adam = built.Adam()
    assert registry.create("optimizer", adam, lr=3) is adam
    assert registry.create("optimizer", built.Adam, lr=3) == built.Adam(lr=3)

    def relu(x: Any) -> Any:
        return x

    assert registry.create("activation", relu) is relu


def test_defaults_give_way_to_the_spec(built: ModuleType) -> None:
    assert registry.create("optimizer", "adam:lr=1", lr=2, betas=(0, 0)) == built.Adam(1, (0, 0))
    assert registry.create("optimizer", {"name": "adam"}, lr=2) == built.Adam(2)


def test_a_factory_may_be_a_function_and_take_any_option(built: ModuleType) -> None:
    assert registry.create("dataset", "digits") == {"size": 3}
    assert registry.create("dataset", "digits:size=1,colour=red") == {"size": 1, "colour": "red"}


def test_the_option_of_a_starred_parameter_holds_its_list(built: ModuleType) -> None:
    made = registry.create(
        "layer",
        {
            "name": "sequential",
            "layers": [{"kind": "layer", "name": "linear", "in_features": 1, "out_features": 2}, 5],
            "scale": 2.0,
        },
    )
    assert made.layers[0].options == {"in_features": 1, "out_features": 2, "init": built.Sgd}
    assert (made.layers[1], made.scale) == (5, 2.0)
    assert registry.create("layer", "sequential").layers == ()


REFUSED: list[tuple[str, Any, str]] = [
    (
        "optimizer",
        "adam:beta=1",
        "optimizer 'adam' has no option 'beta' (did you mean 'betas'?)\n  options: lr, betas",
    ),
    ("layer", "bare:x=1", "layer 'bare' has no option 'x'\n  it takes no options"),
    (
        "layer",
        "linear:in_features=1",
        "layer 'linear' needs the option 'out_features'\n  options: in_features, out_features, init",
    ),
    ("layer", "sequential:layers=3", "layer 'sequential': the option 'layers' must be a list, not 3"),
    ("optimizer", "adam:lr=-1.0", "adam: lr must be at least 0, not -1.0\n  use a positive number"),
    ("dataset", "digits:size=-1", "digits: size is negative"),
    ("dataset", "digits:size=x", "digits: '<' not supported between instances of 'str' and 'int'"),
    ("optimizer", 3, "optimizer 3 is neither a name nor a component\n  known: adam, sgd"),
    ("optimizer", None, "optimizer None is neither a name nor a component\n  known: adam, sgd"),
    (
        "optimizer",
        {"lr": 3},
        "optimizer {'lr': 3} has no name\n  give it as {'name': ..., option: value}",
    ),
    (
        "optimizer",
        {"kind": "loss", "name": "mse"},
        "'mse' is described as loss, and optimizer is expected here",
    ),
    (
        "optimizer",
        {"name": "adam", "lr": {"kind": "schedule", "name": "cosin"}},
        "unknown schedule 'cosin' (did you mean 'cosine'?)\n  known: cosine",
    ),
]


@pytest.mark.parametrize(("kind", "spec", "message"), REFUSED)
def test_what_cannot_be_made_is_explained(kind: str, spec: Any, message: str, built: ModuleType) -> None:
    with pytest.raises(ArgumentError) as info:
        registry.create(kind, spec)
    assert str(info.value) == message


def test_only_wrong_values_become_argument_errors(install: Install, built: ModuleType) -> None:
    """An error of learnkit keeps its class, and a name that is there already is not put in front."""
    install(
        "t-errors",
        """
        from learnkit.errors import DataError, ShapeError
        def damaged(): raise DataError("damaged")
        def misshapen(): raise ShapeError("misshapen: 2 axes")
        def interrupted(): raise OSError("disk")
        def learnkit_register_datasets(register):
            for one in (damaged, misshapen, interrupted):
                register(one.__name__, one)
        """,
    )
    with pytest.raises(DataError, match=r"^damaged$"):
        registry.create("dataset", "damaged")
    with pytest.raises(ArgumentError, match=r"^misshapen: 2 axes$"):
        registry.create("dataset", "misshapen")
    with pytest.raises(OSError, match="disk"):
        registry.create("dataset", "interrupted")


def described(built: ModuleType) -> list[tuple[str, Any, dict[str, Any]]]:
    sgd = {"kind": "optimizer", "name": "sgd", "lr": 0.1}
    return [
        ("optimizer", built.Adam(), {"name": "adam", "lr": 0.001, "betas": [0.9, 0.999]}),
        (
            "optimizer",
            built.Adam(lr=built.Cosine(0.1)),
            {
                "name": "adam",
                "lr": {"kind": "schedule", "name": "cosine", "lr": 0.1, "total_steps": None},
                "betas": [0.9, 0.999],
            },
        ),
        ("loss", built.Mse(sizes=[1, 2]), {"name": "mse", "reduction": "mean", "sizes": [1, 2]}),
        (
            "layer",
            built.Linear(1, 2),
            {
                "name": "linear",
                "in_features": 1,
                "out_features": 2,
                "init": {"kind": "optimizer", "factory": "sgd"},
            },
        ),
        (
            "layer",
            built.Sequential(built.Sgd(), built.Sequential(scale=2), {"a": (built.Sgd(),)}),
            {
                "name": "sequential",
                "layers": [
                    sgd,
                    {"kind": "layer", "name": "sequential", "layers": [], "scale": 2},
                    {"a": [sgd]},
                ],
                "scale": 1.0,
            },
        ),
        ("layer", built.Bare(), {"name": "bare"}),
    ]


def test_a_description_is_json_and_gives_an_equal_object(built: ModuleType) -> None:
    for kind, obj, expected in described(built):
        description = registry.describe(obj)
        assert description == {"kind": kind, **expected}
        again = registry.create(kind, json.loads(json.dumps(description)))
        assert type(again) is type(obj)
        assert registry.describe(again) == description
        if hasattr(obj, "__dataclass_fields__"):
            assert again == obj


def test_numbers_of_array_libraries_are_described_as_plain_ones(built: ModuleType) -> None:
    import numpy as np

    description = registry.describe(built.Adam(lr=np.float64(0.5), betas=(np.float64(1), True)))
    assert description["lr"] == 0.5
    assert type(description["lr"]) is float
    assert description["betas"] == [1.0, True]
    description = registry.describe(built.Adam(lr=np.float32(0.5)))
    assert type(description["lr"]) is float


def test_what_cannot_be_described_is_named_with_its_path(built: ModuleType) -> None:
    with pytest.raises(UnknownNameError) as info:
        registry.describe(built.Sequential({"a": [object()]}))
    assert str(info.value) == (
        "sequential.layers[0]['a'][0]: builtins.object is not registered as a component\n"
        "  learnkit.register_loss(name, ...) and its like give it a name, and so does a plugin"
    )
    with pytest.raises(ArgumentError) as argument:
        registry.describe(built.Opaque())
    assert str(argument.value) == (
        "the options of Opaque cannot be read\n"
        "  make it a dataclass, or give it a method config() that returns them as a dict"
    )
    with pytest.raises(ArgumentError, match=r"^sequential.layers\[0\]: the options of Opaque"):
        registry.describe(built.Sequential(built.Opaque()))
    with pytest.raises(ArgumentError, match="has an option 'name', which a description cannot hold"):
        registry.describe(built.Named())


def test_the_name_of_a_component_is_the_first_it_was_registered_under(built: ModuleType) -> None:
    assert registry.name_of(built.Mse) == "mse"
    assert registry.name_of(built.Mse()) == "mse"
    assert registry.name_of(built.digits) == "digits"
    assert registry.name_of(built.Mse, "loss") == "mse"
    with pytest.raises(UnknownNameError) as info:
        registry.name_of(built.Mse, "metric")
    assert info.value.message == "t_builtin.Mse is not registered as metric"
    with pytest.raises(UnknownNameError) as info:
        registry.name_of(3)
    assert info.value.message == "builtins.int is not registered as a component"


def test_components_of_plugins_are_described_too(built: ModuleType, install: Install) -> None:
    install(
        "t-good",
        """
        from dataclasses import dataclass
        @dataclass(frozen=True)
        class Wave:
            rate: float = 1.0
        def learnkit_register_losses(register): register("wave", Wave)
        """,
    )
    wave = registry.create("loss", "wave:rate=2")
    assert registry.describe(wave) == {"kind": "loss", "name": "wave", "rate": 2}
    assert registry.create("loss", registry.describe(wave)) == wave


def test_a_block_of_isolation_leaves_nothing_behind(built: ModuleType) -> None:
    with registry.isolated(()) as inner:
        assert registry.names("loss", third_party=False) == []
        assert inner.names("loss", third_party=False) == []
    assert registry.names("loss", third_party=False) == ["l2", "mse"]


def test_importing_the_registry_imports_no_array_library_and_no_metadata() -> None:
    code = (
        "import sys, learnkit.plugins as p; print(sorted({'numpy', 'importlib.metadata'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
