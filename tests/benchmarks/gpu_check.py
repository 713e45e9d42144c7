"""The whole check on a machine with an NVIDIA GPU, written down in ``results/gpu-<date>.md``.

    pip install -e ".[test,cuda12]"          # or cuda13; and torch with CUDA, to compare with
    python tests/benchmarks/gpu_check.py

1. versions and devices; 2. the test suite, which takes CuPy into its matrix where a GPU works; 3. the same
run on the CPU and on the GPU: start values and dropout masks bit for bit, losses within float32; 4.
``mlp_step.py`` on both. Exits with 1 if the tests or the comparison fail, and with 5, before it does
anything, where there is no GPU.
"""

from __future__ import annotations

import datetime
import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

import learnkit as lk

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def main() -> None:
    try:
        gpu = lk.get_backend("cupy")
    except lk.errors.LearnkitError as error:
        print(f"no GPU check on this machine: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    import cupy

    if hasattr(cupy, "audit"):
        print("no GPU check: this cupy is the stand-in; take it off PYTHONPATH", file=sys.stderr)
        raise SystemExit(5)

    date = datetime.date.today().isoformat()
    failed: list[str] = []
    sections = [f"# GPU check of {date}", versions(gpu, cupy)]

    passed, output = command("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    failed += [] if passed else ["the test suite"]
    sections.append("## Test suite\n\n" + block(output, 25))

    try:
        sections.append("## The same run on the CPU and on the GPU\n\n" + compare(gpu))
    except AssertionError as error:
        failed.append("the comparison of CPU and GPU")
        sections.append(f"## The same run on the CPU and on the GPU\n\nFAILED: {error}")

    for title, arguments in (("GPU", ["--backend", "cupy"]), ("CPU of this machine", [])):
        passed, output = command(str(HERE / "mlp_step.py"), *arguments)
        failed += [] if passed else [f"mlp_step on the {title}"]
        sections.append(f"## Training step: {title}\n\n" + block(output, 40))

    sections.insert(1, f"**Failed: {', '.join(failed)}.**" if failed else "Everything passed.")
    result = HERE / "results" / f"gpu-{date}.md"
    result.write_text("\n\n".join(sections) + "\n", encoding="utf-8")
    print(f"\n{result}: {sections[1]}")
    raise SystemExit(1 if failed else 0)


def versions(gpu: lk.backends.Backend, cupy: Any) -> str:
    """A list of what the numbers were made with."""
    number = gpu.device.id
    runtime = cupy.cuda.runtime
    lines = [
        f"device: {runtime.getDeviceProperties(number)['name'].decode()}",
        f"driver {runtime.driverGetVersion()}, CUDA runtime {runtime.runtimeGetVersion()}",
        f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}",
        f"learnkit {lk.__version__}, NumPy {np.__version__}, CuPy {cupy.__version__}",
    ]
    if importlib.util.find_spec("torch"):
        import torch

        lines.append(f"torch {torch.__version__}, CUDA there: {torch.cuda.is_available()}")
    return "\n".join(f"- {line}" for line in lines)


def compare(gpu: lk.backends.Backend) -> str:
    """Five epochs of digits with dropout and AdamW on both; AssertionError if the runs differ."""
    x, y = lk.data.load_digits()
    trainers = []
    for backend in (lk.get_backend("numpy"), gpu):
        model = lk.nn.Sequential(lk.nn.Linear(64, 64), lk.nn.ReLU(), lk.nn.Dropout(0.2), lk.nn.Linear(64, 10))
        trainers.append(
            lk.Trainer(
                model,
                loss="cross_entropy",
                optimizer=lk.optim.chain(lk.optim.ClipByGlobalNorm(1.0), lk.optim.AdamW(3e-3)),
                metrics=["accuracy"],
                backend=backend,
                seed=0,
            )
        )
    cpu_theta, gpu_theta = (t.backend.to_numpy(t.parameters.theta) for t in trainers)
    assert np.array_equal(cpu_theta, gpu_theta), "the start values differ"
    masks = []
    for trainer in trainers:
        ones = trainer.backend.asarray(np.ones((256, 64)), dtype="float32")
        with lk.nn.training(seed=0, step=3):
            masks.append(trainer.backend.to_numpy(trainer.model[2](ones)))
    assert np.array_equal(*masks), "the dropout masks differ"
    lines = ["Start values and dropout masks agree bit for bit.", ""]
    histories = [
        t.fit(x / 16.0, y, epochs=5, batch_size=64, validation_split=0.2, verbose=False) for t in trainers
    ]
    lines += ["| epoch | loss, CPU | loss, GPU | accuracy, CPU | accuracy, GPU |", "|---|---|---|---|---|"]
    for ours, theirs in zip(histories[0].epochs, histories[1].epochs, strict=True):
        lines.append(
            f"| {ours.epoch} | {ours.loss:.6f} | {theirs.loss:.6f} "
            f"| {ours.metrics['accuracy']:.4f} | {theirs.metrics['accuracy']:.4f} |"
        )
        assert abs(ours.loss - theirs.loss) < 1e-3 * ours.loss, f"the losses of epoch {ours.epoch} differ"
    return "\n".join(lines)


def command(*arguments: str) -> tuple[bool, str]:
    """Whether a Python command in the checkout succeeds, and what it prints; shown while it runs."""
    print("$ python", *arguments, flush=True)
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    printed = []
    for line in process.stdout:
        print(line, end="", flush=True)
        printed.append(line)
    return process.wait() == 0, "".join(printed)


def block(text: str, lines: int) -> str:
    """The last lines of ``text`` as a Markdown block."""
    return "\n".join(["```", *text.strip().splitlines()[-lines:], "```"])


if __name__ == "__main__":
    main()
