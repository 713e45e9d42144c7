"""The recorded numbers of other libraries are what the installed ones compute today.

Chainer 7 needs Python 3.8, so its numbers stand as they were recorded.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[1] / "golden" / "make_conventions.py"
PROGRAM = f"""
import importlib.util, json
spec = importlib.util.spec_from_file_location("made", {str(SCRIPT)!r})
made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)
print(json.dumps(made.MAKERS[{{name!r}}]()[1]))
"""


@pytest.mark.parametrize("name", ["optax", "keras"])
def test_the_file_is_what_the_library_computes(name):
    """In a process of its own, since Keras takes its backend and its dtype for the whole of one."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM.format(name=name)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    computed = json.loads(done.stdout.splitlines()[-1])
    recorded = json.loads((SCRIPT.parent / "conventions" / f"{name}.json").read_text())["cases"]
    assert set(computed) <= set(recorded)
    assert len(computed) > 70
    for case, values in computed.items():
        drawn = case.startswith(("initializer", "layer linear", "layer embedding"))
        for ours, theirs in pairs(values, recorded[case], case):
            if drawn:  # a distribution; its largest value is left to chance
                np.testing.assert_allclose(ours[1:-1], theirs[1:-1], rtol=0.05, atol=1e-7, err_msg=case)
            else:
                np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6, err_msg=case)


def pairs(computed, recorded, case):
    """Of the arrays of a case, which batch norm has several of."""
    several = case.startswith("layer batch_norm")
    return zip(computed, recorded, strict=True) if several else [(computed, recorded)]
