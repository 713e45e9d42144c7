"""Whether a distribution's requirement on learnkit is met, read before it is imported.

Only what plugins write about learnkit is understood: the specifiers ``>= > <= < == != ~=`` with
versions, and ``.*`` after ``==`` and ``!=``. Versions compare by their numbers alone, so 0.2.0.dev1
counts as 0.2.0, and where a specifier names a pre-release or the like, equal numbers count as met. A
requirement with an environment marker, such as one of an extra, and a specifier that cannot be read
count as met: pip has checked them, and a plugin should not be lost to a shorthand.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable

__all__ = ["unmet_requirement"]

_NAMES = {"pylearnkit", "learnkit"}
_REQUIREMENT = re.compile(
    r"\s*(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^]]*\])?\s*\(?(?P<specifiers>[^;)@]*)\)?\s*$"
)
_SPECIFIER = re.compile(
    r"\s*(?P<op>>=|<=|==|!=|~=|>|<)\s*(?P<version>\d+(\.\d+)*)(?P<any>\.\*)?"
    r"(?P<suffix>[-._]?(a|b|c|rc|alpha|beta|pre|preview|dev|post|rev|r)[-._]?\d*)*(\+[\w.-]+)?\s*$",
    re.IGNORECASE,
)
_COMPARE = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}


def unmet_requirement(requires: Iterable[str], running: str) -> str | None:
    """The first requirement on learnkit that the running version does not meet, or ``None``.

    >>> unmet_requirement(["numpy>=2", "pylearnkit>=0.9,<2"], "0.2.0")
    'pylearnkit>=0.9,<2'
    >>> unmet_requirement(["pylearnkit~=0.1"], "0.2.0") is None
    True
    """
    for requirement in requires:
        match = _REQUIREMENT.match(requirement)
        if match is None or re.sub(r"[-_.]+", "-", match["name"]).lower() not in _NAMES:
            continue
        specifiers = match["specifiers"].strip()
        if not all(_fits(one, running) for one in specifiers.split(",")):
            return f"{match['name']}{specifiers}"
    return None


def _fits(specifier: str, running: str) -> bool:
    match = _SPECIFIER.match(specifier)
    number = re.match(r"\d+(\.\d+)*", running)
    if match is None or number is None:
        return True
    op, wanted, have = match["op"], _numbers(match["version"]), _numbers(number[0])
    if op == "~=":  # ~=1.4.2 is >=1.4.2 and ==1.4.*
        return _padded(have, wanted) >= wanted and _padded(have, wanted)[: len(wanted) - 1] == wanted[:-1]
    if match["suffix"] and _padded(have, wanted) == _padded(wanted, have):
        return True
    if match["any"]:
        if op not in ("==", "!="):
            return True
        return bool(_COMPARE[op](_padded(have, wanted)[: len(wanted)], wanted))
    return bool(_COMPARE[op](_padded(have, wanted), _padded(wanted, have)))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _padded(version: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """``version`` with zeros up to the length of ``other``: 1.0 equals 1.0.0."""
    return version + (0,) * (len(other) - len(version))
