"""Kernels of plugins take the place of a backend's own where they are asked for, and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar

import array_api_compat.numpy
import numpy as np
import pytest

import learnkit as lk
from learnkit.backends import Kernels, get_backend, kernels_in_force, kernels_of, replacement
from learnkit.errors import ArgumentError, UnknownNameError
from learnkit.plugins import registry

GENERIC = Kernels(array_api_compat.numpy)


@dataclass(frozen=True)
class Offset:
    """relu, shifted, to be told from the backend's own; it does not serve float64."""

    by: float = 100.0
    backend: ClassVar[str] = "numpy"

    def relu(self, x: Any) -> Any:
        if x.dtype == np.float64:
            return NotImplemented
        return np.maximum(x, 0) + np.asarray(self.by, dtype=x.dtype)

    def _helper(self) -> None:
        raise AssertionError("a helper replaces nothing")


@dataclass(frozen=True)
class OtherLibrary:
    backend: ClassVar[str] = "strict"

    def relu(self, x: Any) -> Any:
        raise AssertionError("of another backend")


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """``offset`` and ``other`` are registered, and no kernels are in force before or after a test."""
    module = ModuleType("t_kernels")

    def learnkit_register_kernels(register: Any) -> None:
        register("offset", Offset)
        register("other", OtherLibrary)

    module.learnkit_register_kernels = learnkit_register_kernels  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "t_kernels", module)
    monkeypatch.setenv("LEARNKIT_PLUGINS", "")
    monkeypatch.setattr(replacement, "_environment_read", True)
    with registry.isolated(("learnkit.plugins.builtin", "t_kernels")), lk.use_kernels():
        yield


def relu(dtype: str = "float32") -> float:
    x = np.ones((1,), dtype=dtype)
    return float(kernels_of(x).relu(x)[0])


def test_a_block_replaces_and_brings_back() -> None:
    assert relu() == 1
    with lk.use_kernels("offset"):
        assert relu() == 101
        with lk.use_kernels("offset:by=1"):  # on top; the last is used
            assert relu() == 2
        assert relu() == 101
        with lk.use_kernels():
            assert relu() == 1
        assert relu() == 101
    assert relu() == 1
    assert "relu" not in vars(get_backend("numpy").kernels)


def test_a_block_ends_by_an_error_too() -> None:
    with pytest.raises(ZeroDivisionError), lk.use_kernels("offset"):
        _ = 1 / 0
    assert relu() == 1


def test_a_call_lasts_until_it_is_taken_back() -> None:
    lk.use_kernels("offset:by=3")
    assert relu() == 4
    assert kernels_in_force("numpy") == (Offset(3.0),)
    assert kernels_in_force("strict") == ()
    lk.use_kernels()
    assert relu() == 1


def test_what_is_not_served_goes_to_the_replaced_kernel() -> None:
    with lk.use_kernels("offset"):
        assert relu("float64") == 1
        with lk.use_kernels(Offset(5.0)):
            assert relu("float64") == 1
            assert relu() == 6


def test_several_with_commas_and_options() -> None:
    with lk.use_kernels("other,offset:by=7"):
        assert relu() == 8
        assert kernels_in_force("strict") == (OtherLibrary(),)


def test_a_step_of_the_library_calls_them_and_a_gradient_stays_the_rule() -> None:
    x = np.asarray([-1.0, 2.0], dtype=np.float32)
    with lk.use_kernels("offset"):
        value, slope = lk.value_and_grad(lambda v: lk.array_namespace(v).sum(lk.nn.ReLU()(v)))(x)
    assert float(value) == 202
    assert slope.tolist() == [1.0, 1.0]  # from the output, which is positive


def test_a_backend_that_is_made_later_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from learnkit.backends import base

    with lk.use_kernels("offset"):
        monkeypatch.setattr(base, "_instances", {})
        monkeypatch.setattr(replacement, "_backends", [])
        x = np.ones((1,), dtype=np.float32)
        assert float(get_backend("numpy").kernels.relu(x)[0]) == 101


def test_the_environment_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replacement, "_environment_read", False)
    monkeypatch.setenv("LEARNKIT_KERNELS", "other,offset:by=2")
    with lk.use_kernels():  # reads it, and what it names is in force again after the block
        assert relu() == 1
    assert relu() == 3


def test_a_wrong_name_in_the_environment_is_said_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNKIT_KERNELS", "ofset")
    monkeypatch.setattr(replacement, "_environment_read", False)
    for _ in range(2):
        with pytest.raises(
            UnknownNameError, match=r"LEARNKIT_KERNELS: unknown kernel 'ofset' \(did you mean 'offset'"
        ):
            lk.use_kernels("offset")
    monkeypatch.setattr(replacement, "_environment_read", True)


class Misspelt:
    backend = "numpy"

    def relo(self, x: Any) -> Any:
        return x


class Nowhere:
    backend = "nunpy"

    def relu(self, x: Any) -> Any:
        return x


class Homeless:
    def relu(self, x: Any) -> Any:
        return x


class Narrow:
    backend = "numpy"

    def linear(self, x: Any, weight: Any) -> Any:
        return x


class Idle:
    backend = "numpy"


@pytest.mark.parametrize(
    ("kernels", "message"),
    [
        (
            Misspelt,
            r"'Misspelt': 'relo' replaces nothing \(did you mean 'relu'\?\)\n.*can be replaced: .*softmax",
        ),
        (Nowhere, r"'Nowhere': unknown backend 'nunpy' \(did you mean 'numpy'\?\)"),
        (Homeless, "'Homeless' do not say which backend"),
        (Narrow, r"'Narrow': linear cannot be called as linear\(x: .*, bias: .*\): too many"),
        (Idle, "'Idle' have no method"),
        ("", "has a component without a name"),
        (3, "neither a name nor a component"),
    ],
)
def test_mistakes_are_said_and_leave_all_as_it_was(kernels: Any, message: str) -> None:
    with lk.use_kernels("offset"):
        with pytest.raises((ArgumentError, UnknownNameError), match=message):
            lk.use_kernels("offset:by=1", kernels)
        assert relu() == 101


def test_each_public_method_of_the_contract_can_be_replaced() -> None:
    known = {name for name in dir(Kernels) if name[0] != "_" and callable(getattr(Kernels, name))}
    assert set(replacement._KNOWN) == known
    assert {"matmul_into", "softmax_cross_entropy", "random_uniform"} <= known
