"""Requirements of plugins on learnkit."""

from __future__ import annotations

import pytest

from learnkit.plugins.requirements import unmet_requirement

#: requirement, running version, whether it is met
CASES = [
    ("pylearnkit", "0.1.0", True),
    ("pylearnkit>=0.1", "0.1.0", True),
    ("pylearnkit>=0.1.0.0", "0.1", True),
    ("pylearnkit>=0.10", "0.9", False),
    ("pylearnkit>0.1", "0.1.0", False),
    ("pylearnkit>0.1", "0.1.1", True),
    ("pylearnkit<1", "0.9", True),
    ("pylearnkit<1", "1.0", False),
    ("pylearnkit<=1", "1.0.0", True),
    ("pylearnkit<=1", "1.0.1", False),
    ("pylearnkit==0.1", "0.1.0", True),
    ("pylearnkit==0.1", "0.1.1", False),
    ("pylearnkit==0.1.*", "0.1.7", True),
    ("pylearnkit==0.1.*", "0.2", False),
    ("pylearnkit!=0.1", "0.1.0", False),
    ("pylearnkit!=0.1.*", "0.1.7", False),
    ("pylearnkit!=0.1.*", "0.2", True),
    ("pylearnkit~=1.4.2", "1.4.5", True),
    ("pylearnkit~=1.4.2", "1.4.1", False),
    ("pylearnkit~=1.4.2", "1.5.0", False),
    ("pylearnkit~=1.4", "1.9", True),
    ("pylearnkit~=1.4", "2.0", False),
    ("pylearnkit~=1.0.0", "1", True),
    ("pylearnkit>=0.1,<0.3", "0.2", True),
    ("pylearnkit<0.3,>=0.1", "0.3", False),
    ("pylearnkit >= 0.9", "0.1", False),
    ("pylearnkit (>=0.9)", "0.1", False),
    ("PyLearnKit[cli]>=0.9", "0.1", False),
    ("learnkit>=0.9", "0.1", False),
    ("pylearnkit>=0.2", "0.2.0.dev1", True),
    ("pylearnkit>=0.2", "0.2.0rc1", True),
    ("pylearnkit>=9rc1", "0.1", False),
    ("pylearnkit>=9.0.dev3", "0.1", False),
    ("pylearnkit>=0.2rc1", "0.2", True),
    ("pylearnkit>0.2rc1", "0.2", True),
    ("pylearnkit!=0.2rc1", "0.2", True),
    ("pylearnkit<0.2a1", "0.3", False),
    ("pylearnkit==0.2+cpu", "0.2", True),
    ("pylearnkit==0.2+cpu", "0.3", False),
    # other distributions, extras, and what is not understood, count as met
    ("numpy>=9", "0.1", True),
    ("learnkit-lion>=9", "0.1", True),
    ('pylearnkit>=9 ; extra == "test"', "0.1", True),
    ("pylearnkit===9", "0.1", True),
    ("pylearnkit>=9.*", "0.1", True),
    ("pylearnkit @ file:///tmp/x", "0.1", True),
    ("pylearnkit>=9", "unknown", True),
]


@pytest.mark.parametrize(("requirement", "running", "met"), CASES)
def test_a_requirement_is_met_or_returned(requirement: str, running: str, met: bool) -> None:
    found = unmet_requirement(["numpy", requirement], running)
    assert (found is None) == met


def test_the_first_unmet_requirement_is_returned_without_its_extras() -> None:
    requires = ["pylearnkit>=0.1", "pylearnkit[cli] (>=9,<10)", "pylearnkit>=8"]
    assert unmet_requirement(requires, "0.1") == "pylearnkit>=9,<10"
