"""Reads ``"name:option=value,option=value"``, the one way a component is written as text."""

from __future__ import annotations

import ast
import warnings
from typing import Any

from learnkit.errors import ArgumentError

__all__ = ["parse_spec", "parse_value", "split_specs"]

_FORM = "a component is written name:option=value,option=value"
_WORDS = {"true": True, "false": False, "none": None}
_CLOSING = {"(": ")", "[": "]", "{": "}"}


def parse_spec(text: str) -> tuple[str, dict[str, Any]]:
    """The name and the options of a component.

    A comma inside brackets or quotes belongs to the value.

    Raises:
        ArgumentError: the text does not have the form ``name:option=value,option=value``.

    >>> parse_spec("adamw:betas=(0.9, 0.95),amsgrad=true")
    ('adamw', {'betas': (0.9, 0.95), 'amsgrad': True})
    """
    name, colon, rest = text.partition(":")
    name = name.strip()
    if not name:
        raise ArgumentError(f"{text!r} has no name", hint=_FORM)
    if colon and not rest.strip():
        raise ArgumentError(f"{text!r} has no options after the colon", hint=_FORM)
    options: dict[str, Any] = {}
    for part in _split(text, rest) if colon else []:
        option, equals, value = part.partition("=")
        option = option.strip()
        if not equals or not option.isidentifier():
            raise ArgumentError(f"{part.strip()!r} in {text!r} is not option=value", hint=_FORM)
        if option in options:
            raise ArgumentError(f"{text!r} gives the option {option!r} twice")
        options[option] = parse_value(value)
    return name, options


def parse_value(text: str) -> Any:
    """A Python literal, ``true``, ``false`` or ``none`` in any case, or else the text itself.

    >>> parse_value("1e-3"), parse_value("None"), parse_value("mean"), parse_value("'1'")
    (0.001, None, 'mean', '1')
    """
    text = text.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd escapes in what may be no Python at all
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def split_specs(text: str) -> list[str]:
    """The components of a list: a comma begins a new one unless ``option=value`` follows.

    Raises:
        ArgumentError: a bracket or quote is not closed, or a component has no name.

    >>> split_specs("flip, jitter:std=0.1,clip=(0, 1),mixup")
    ['flip', 'jitter:std=0.1,clip=(0, 1)', 'mixup']
    """
    found: list[str] = []
    for part in _split(text, text):
        if found and "=" in part.partition(":")[0]:
            found[-1] += "," + part
        else:
            found.append(part.strip())
    if not all(found):
        raise ArgumentError(f"{text!r} has a component without a name", hint=_FORM)
    return found


def _split(text: str, options: str) -> list[str]:
    """Cut at the commas that stand in no bracket and no quotes."""
    parts, start, quote, escaped = [], 0, "", False
    expected: list[str] = []
    for i, char in enumerate(options):
        if quote:
            if char == quote and not escaped:
                quote = ""
            escaped = char == "\\" and not escaped
        elif char in "'\"" and options[:i].rstrip()[-1:] in ("=", ",", "(", "[", "{", ":"):
            quote = char  # only where a value begins: an apostrophe inside a word is a letter
        elif char in _CLOSING:
            expected.append(_CLOSING[char])
        elif expected and char == expected[-1]:
            expected.pop()
        elif char == "," and not expected:
            parts.append(options[start:i])
            start = i + 1
    if quote or expected:
        raise ArgumentError(f"{text!r} lacks a closing {quote or expected[-1]}", hint=_FORM)
    return [*parts, options[start:]]
