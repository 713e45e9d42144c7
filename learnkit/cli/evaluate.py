"""``learnkit evaluate``: how good a trained model is on other data."""

from __future__ import annotations

import click

from learnkit.cli.options import common, device_options, json_option, switch_off_plugins, table_options

__all__ = ["evaluate"]


@click.command(short_help="Measure a trained model on data.")
@click.argument("run")
@click.argument("source")
@click.option("--target", metavar="COL", help="Column with the true answers. Default: as in training.")
@click.option(
    "--metric",
    "metrics",
    metavar="NAME",
    multiple=True,
    help="Report this metric too, such as f1:average=macro; may be given several times.",
)
@table_options
@device_options
@json_option
@common
def evaluate(
    run: str,
    source: str,
    target: str | None,
    metrics: tuple[str, ...],
    sep: str | None,
    header: bool | None,
    backend: str | None,
    device: str | None,
    as_json: bool,
    no_plugins: bool,
) -> None:
    """Measure the model of RUN on SOURCE, with the preprocessing of its training.

    RUN is the directory of a run, or its model.safetensors. A source with a test part of its own is
    measured on that part.
    """
    from dataclasses import replace
    from pathlib import Path

    from learnkit.cli.measures import measure
    from learnkit.cli.output import Talk, print_json
    from learnkit.cli.stored import open_run
    from learnkit.data import load_matching
    from learnkit.plugins import registry

    switch_off_plugins(no_plugins)
    more = {spec: registry.create("metric", spec) for spec in metrics}
    talk = Talk(as_json=as_json, quiet=False)
    stored = open_run(run, backend, device)
    preprocessor = stored.preprocessor
    if target is not None:
        code = replace(preprocessor.target, name=target)
        preprocessor = replace(preprocessor, target=code)  # type: ignore[type-var]
    data = load_matching(source, preprocessor, sep=sep, header=header is not False)
    notices = list(data.notices)
    part = source
    if data.test is not None:
        data, part = data.test, f"test part of {source}"
    elif (Path(source).name, len(data)) == (stored.source.get("name"), stored.source.get("rows")):
        notices.append("the model was trained on most of these rows, so this is no measure of new ones")
    x, _ = data.arrays(preprocessor)
    report = measure(part, stored.trainer.predict(x), data, preprocessor, stored.baseline, more)
    talk(*(f"note: {notice}" for notice in notices), *report.lines())
    if as_json:
        print_json(
            {
                "run": run,
                "source": source,
                "task": preprocessor.target.task,
                "metrics": {name: m.value for name, m in report.measures.items()},
                "report": report.to_dict(),
                "notices": notices,
                "backend": stored.trainer.backend.describe(),
            }
        )
