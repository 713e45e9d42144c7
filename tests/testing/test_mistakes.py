"""Each seeded mistake is found: by the check that looks for it, at its line, with what to write instead."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from learnkit.testing import run_checks

FOLDER = Path(__file__).parent / "mistakes"

#: ``(file, component, check, words of the remedy)``.
MISTAKES = [
    ("losses", "CallsNumpy", "library", "call the function of the array's own library"),
    ("losses", "MissingDevice", "library-strict", "device=array_api_compat.device(x)"),
    ("losses", "FloatOfArray", "library-fakecupy", "float() brings a value to the host"),
    ("losses", "BoolInIf", "library-fakecupy", "xp.where(condition, a, b)"),
    ("losses", "MaskAssignment", "library", "xp.where(mask, value, x)"),
    ("losses", "MaskedElements", "library", "xp.where(mask, x, 0.0)"),
    ("losses", "WrongGradient", "gradient", "has to be the derivative"),
    ("losses", "WideNumbers", "library-numpy", "keep the dtype of the input"),
    ("losses", "WideByDefault", "library-numpy", "dtype=x.dtype"),
    ("losses", "Integers", "shape", "keep floating-point numbers"),
    ("losses", "ChangesTarget", "inputs", "arguments are not changed"),
    ("losses", "ArrayMethod", "library-strict", "xp.mean(x, ...)"),
    ("losses", "Clips", "library-fakecupy", "xp.minimum(xp.maximum(x, low), high)"),
    ("losses", "ClipsPredictions", "library", "xp.minimum(xp.maximum(x, low), high)"),
    ("losses", "BatchAveraged", "shape", "the batch axis stays"),
    ("losses", "BatchMixed", "rows", "from its own row"),
    ("losses", "LogOfZero", "extremes", "guard the argument"),
    ("losses", "RootOfZero", "extremes", "guard the argument"),
    ("losses", "Overflows", "extremes", "guard the argument"),
    ("losses", "MutableDefault", "describes", "frozen"),
    ("losses", "ArrayOption", "describes", "numbers, texts, tuples"),
    ("losses", "RemembersInModule", "deterministic", "keep nothing between calls"),
    ("losses", "GlobalRandomness", "deterministic", "counter-based generator"),
    ("losses", "StopsGradient", "gradient", "the gradient stops here"),
    ("losses", "MathFunction", "library-fakecupy", "functions of math take one Python number"),
    ("losses", "PythonMaximum", "runs", ""),
    ("losses", "ChainedComparison", "library-fakecupy", "xp.where(condition, a, b)"),
    ("losses", "ElementwiseClip", "library-strict", "device=array_api_compat.device(x)"),
    ("losses", "VariableOnTheRight", "library-strict", "put the variable on the left"),
    ("losses", "three_lines", "library", "call the function of the array's own library"),
    ("optimizers", "StateOutsideSlots", "deterministic", "keep nothing between calls"),
    ("optimizers", "StateInObject", "deterministic", "keep nothing between calls"),
    ("optimizers", "ForgetsASlot", "slots", "in that order"),
    ("optimizers", "KeepsOldSlot", "slots", "return the new value of 'm'"),
    ("optimizers", "ChangesInPlace", "inputs", "arguments are not changed"),
    ("optimizers", "DividesByZero", "extremes", "add eps"),
    ("optimizers", "WholeNorm", "elementwise", "elementwise: ClassVar[bool] = False"),
    ("optimizers", "Uphill", "descends", "theta - lr * direction"),
    ("optimizers", "BranchesOnGradient", "library-fakecupy", "xp.where(condition, a, b)"),
    ("optimizers", "WideSlots", "library-numpy", "dtype=x.dtype"),
    ("optimizers", "RandomSign", "deterministic", "counter-based generator"),
    ("optimizers", "ClipByMethod", "library-fakecupy", "xp.minimum(xp.maximum(x, low), high)"),
    ("optimizers", "NormalizesZero", "extremes", "guard the argument"),
    ("optimizers", "HiddenState", "pure", "keep nothing between calls"),
    ("optimizers", "Counts", "pure", ""),
    ("optimizers", "ZeroStep", "finite", "guard divisions"),
    ("optimizers", "ArrayValue", "number", "Python float"),
    ("optimizers", "forgetful", "slots", ""),
    ("models", "UnregisteredArray", "parameters", "Parameter(shape, init)"),
    ("models", "ParametersInList", "parameters", "Parameter(shape, init)"),
    ("models", "LayersInDict", "parameters", "Sequential"),
    ("models", "KeepsOutput", "parameters", "keep nothing between calls"),
    ("models", "BranchesOnValues", "library-fakecupy", "xp.where(condition, a, b)"),
    ("models", "LosesGradient", "gradient", "the gradient stops here"),
    ("models", "CountsCalls", "deterministic", "keep nothing between calls"),
    ("models", "OverflowingActivation", "extremes", "guard the argument"),
    ("models", "NoDtype", "library-strict", "device=array_api_compat.device(x)"),
    ("models", "Unseeded", "seeded", "counter-based generator"),
    ("models", "UnseededGenerator", "seeded", "counter-based generator"),
    ("models", "IgnoresDtype", "dtype", "the dtype that is asked for"),
    ("models", "IgnoresStream", "streams", "both seed and stream"),
    ("models", "AveragesBatchMeans", "batches", "never a mean of the batch"),
    ("models", "RootTooEarly", "batches", "divide in compute()"),
    ("models", "SinglePrecision", "library-numpy", "in_double"),
    ("models", "WaitsInSums", "library-fakecupy", "float() brings a value to the host"),
    ("models", "DividesByNoRows", "empty", "a count of 0"),
    ("models", "LosesState", "resumes", "state()"),
    ("models", "HalfState", "resumes", "load_state(state)"),
    ("models", "WrongHook", "hooks", "on_epoch_end"),
    ("models", "StateWithArray", "state", "plain values"),
    ("others", "DividesByNorm", "extremes", "guard the argument"),
    ("others", "WritesWeights", "inputs", "arguments are not changed"),
    ("others", "Shrinks", "projects", "c(c(w)) is c(w)"),
    ("others", "DrawsGlobally", "deterministic", "counter-based generator"),
    ("others", "HostNoise", "library", ""),
    ("others", "ChangesBatch", "inputs", "arguments are not changed"),
    ("others", "OverflowingSoftmax", "values", "what the generic version does"),
    ("others", "ChangesGradient", "inputs", "arguments are not changed"),
    ("others", "ReplacesNothing", "fits", "begin the name of a helper with _"),
    ("others", "ChangesBuffer", "training", "scope.write(buffer, value)"),
    ("others", "ChangesSlot", "state", "arguments are not changed"),
    ("others", "NoSecondOrder", "second-order", "differentiated in its turn"),
    ("others", "NarrowNumbers", "library-numpy", "keep the dtype of the input"),
    ("others", "NumpyScalar", "library-numpy", "keep the dtype of the input"),
    ("others", "LooksAtClock", "deterministic", "counter-based generator"),
    ("others", "SortsRows", "rows", "from its own row"),
    ("others", "noisy_schedule", "pure", "counter-based generator"),
    ("others", "clipping_activation", "library", "xp.minimum(xp.maximum(x, low), high)"),
    ("others", "waiting_metric", "runs", "float() brings a value to the host"),
    ("others", "random_data", "deterministic", "counter-based generator"),
    ("others", "uneven_data", "arrays", "one row for each example"),
    ("more", "IgnoresSeedAndStream", "streams", "both seed and stream"),
    ("more", "SameInEachStep", "seeded", "counter-based generator"),
    ("more", "ForgetsToWait", "resumes", "load_state(state)"),
    ("more", "ForgetsAnOption", "describes", "every argument of the constructor"),
    ("more", "NormOfNumpy", "library", "xp.linalg.vector_norm(...)"),
    ("more", "numpy_number", "library-strict", "write a Python float"),
    ("more", "swapped_slots", "descends", "the order in which they are named"),
    ("more", "relative", "extremes", "add eps"),
    ("more", "mask_times_number", "library-strict", "xp.where(mask, x, 0.0)"),
    ("more", "ramp", "library-numpy", "xp.linspace(..., dtype=x.dtype, device=array_api_compat.device(x))"),
]
KINDS = {
    "three_lines": "loss",
    "forgetful": "optimizer",
    "OverflowingActivation": "activation",
    "OverflowingSoftmax": "kernel",
    "ChangesGradient": "kernel",
    "ReplacesNothing": "kernel",
    "noisy_schedule": "schedule",
    "clipping_activation": "activation",
    "waiting_metric": "metric",
    "random_data": "dataset",
    "uneven_data": "dataset",
    "numpy_number": "optimizer",
    "swapped_slots": "optimizer",
    "relative": "loss",
    "mask_times_number": "loss",
    "ramp": "loss",
}
#: Those whose mistake stands in a rule before them.
RULES_BEFORE = ("WrongGradient", "NoSecondOrder")


def loaded(name):
    spec = importlib.util.spec_from_file_location(f"mistakes_{name}", FOLDER / f"{name}.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MODULES = {name: loaded(name) for name in ("losses", "optimizers", "models", "others", "more")}


def marked(file, component):
    """The line of the mistake in a component: the first mark at or behind its beginning."""
    lines = (FOLDER / f"{file}.py").read_text().splitlines()
    start = next(
        i
        for i, line in enumerate(lines)
        if line.startswith((f"class {component}(", f"class {component}:", f"def {component}("))
    )
    inside = [i + 1 for i, line in enumerate(lines) if i >= start and line.endswith("# mistake")]
    if component in RULES_BEFORE:
        inside = [i + 1 for i, line in enumerate(lines) if i < start and line.endswith("# mistake")][-1:]
    return inside[0]


@pytest.mark.parametrize(("file", "component", "check", "words"), MISTAKES, ids=[row[1] for row in MISTAKES])
def test_each_mistake_is_found_at_its_line(file, component, check, words):
    thing = getattr(MODULES[file], component)
    results = run_checks(thing, kind=KINDS.get(component), libraries=["numpy", "strict", "fakecupy"])
    failed = [r for r in results if not r.ok]
    line = marked(file, component)
    hits = [r for r in failed if (r.name == check or r.name.startswith(f"{check}-")) and words in r.remedy]
    shown = "\n".join(map(str, failed)) or "nothing was found"
    assert hits, f"{check} does not say {words!r}:\n{shown}"
    assert any((Path(r.file).name, r.line) == (f"{file}.py", line) for r in hits), f"line {line}:\n{shown}"
