"""`speceval word`: a finished run's reports in a Word template of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.shared import Json, print_json


def word(
    run: Annotated[Path, typer.Argument(help="已完成的运行 a finished run", show_default=False)],
    template: Annotated[
        Path, typer.Option("--template", help="自己的 Word 模板 a template with places", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", help="写到此文件夹 folder to write to", show_default=False)],
    report: Annotated[
        list[str] | None,
        typer.Option("--report", help="只要这些报告，可重复 only these, repeatable", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """把项目报告填进自己的 Word 模板：{{ title }}、{{ finding }}、{{ body }} 等位置。Reports in a client's template."""
    from toolkit.runs.client_documents import write_in_template

    written = write_in_template(run, template, out, report or [])
    if as_json:
        print_json({"files": [str(path) for path in written]})
    else:
        typer.echo(f"已写出 written: {out}，{len(written)} 份 documents")
