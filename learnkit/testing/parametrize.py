"""The checks as tests of pytest, one each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from learnkit.testing.run import LIBRARIES, plan_for

__all__ = ["checks_for"]


def checks_for(
    component: Any,
    *others: Any,
    kind: str | None = None,
    libraries: Sequence[str] = LIBRARIES,
    **needs: Any,
) -> Callable[..., None]:
    """A test function for pytest that runs every check of a component as a test of its own.

    In a test file of a plugin this line is all::

        test_it_keeps_the_contract = lk.testing.checks_for(Wave(delta=2.0))

    Each failure says what is wrong, at which line of the component, and what to write there. The checks are
    those of the component's kind: the value has the right shape, dtype, device and library on NumPy, strict,
    torch and the stand-in for CuPy; nothing waits for a device; gradients agree with differences; results are
    finite at extremes and follow from the arguments alone; options survive being described, and state being
    saved. ``learnkit plugins check NAME`` runs the same.

    Args:
        component, others: objects; classes whose options all have defaults; or functions that are components.
        kind: what they are, where it does not follow from the class.
        libraries: where array code is run; default ``("numpy", "strict", "torch", "fakecupy")``. One that is
            not installed is skipped.
        needs: what cannot be guessed, by name:

            =======================  ==================================================================
            loss, metric             ``y_pred``, ``y_true``: arrays
            loss                     ``extremes``: a list of other ``y_pred``, or ``False`` for none;
                                     ``independent=False``: the loss of a row depends on the others
            layer, activation        ``x``: an array, or a tuple of them for several arguments;
                                     ``extremes=False``
            loss, metric, layer      ``empty=False``: a batch without rows is no input
            optimizer, transform     ``params``, ``grads``: dicts of arrays
            constraint               ``w``: an array
            augmentation             ``x``: an array
            initializer              ``shape``: a tuple
            kernel                   ``arguments``: a dict from the name of a method to a list of tuples
            dataset                  ``options``: a dict
            reader                   ``files``: paths, or a dict from file names to bytes
            exporter                 ``trainer``: a ``Trainer``
            command                  ``arguments``: a list of texts to call it with
            =======================  ==================================================================

    Returns:
        The test function, to be assigned to a name that begins with ``test``.

    Raises:
        ArgumentError: a component cannot be made, or its kind is not known.
        ImportError: pytest is not installed.
    """
    import pytest

    plan = plan_for((component, *others), kind, libraries, needs)
    several = bool(others)
    names = [
        f"{item[0].label}-{plan.name(i)}" if several else plan.name(i) for i, item in enumerate(plan.items)
    ]

    @pytest.mark.parametrize("learnkit_check", range(len(names)), ids=names)
    def test(learnkit_check: int) -> None:
        """The component has the property that the id names."""
        result = plan.result(learnkit_check)
        if result.skipped:
            pytest.skip(result.skipped)
        if not result.ok:
            text = str(result)
            if result.traceback:
                text = f"{result.traceback.rstrip()}\n\n{text}"
            pytest.fail(text, pytrace=False)

    return test
