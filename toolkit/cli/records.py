"""Commands before a run: a parameter file from a folder, a format map from a file, a check of the records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.shared import Json, Params, Quiet, print_json, progress


def init(
    path: Annotated[Path, typer.Argument(help="新参数文件 new parameter file")] = Path("params/my-evaluation.yaml"),
    folder: Annotated[
        Path | None,
        typer.Option(
            "--from", help="数据所在的文件夹：看过其中的文件再写 look at this folder first", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="覆盖已有文件 overwrite")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """写一份带注释的参数文件；--from 依文件夹中的数据写。Write a commented parameter file, from a folder of records."""
    from toolkit.errors import ParameterError

    if path.exists() and not force:
        raise ParameterError(
            f"文件已存在: {path}", "file exists", remedy="换一个名字, 或加 --force", remedy_english="or --force"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    if folder is None:
        template = Path(__file__).parents[1] / "templates" / "parameters.yaml"
        path.write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
        if as_json:
            print_json({"files": [str(path)], "found": [], "asked": []})
        else:
            typer.echo(f"已写 written: {path}\n改好后 then: speceval check {path} ; speceval run {path}")
        return
    from toolkit.runs.setting_up import set_up

    with progress(quiet or as_json) as (step, _):
        made = set_up(folder, path, step, force=force)
    if as_json:
        print_json({"files": [str(f) for f in made.files], "found": made.said, "asked": made.asked})
        return
    for line in made.said:
        typer.echo(line)
    typer.echo("已写 written:\n" + "\n".join(f"  {file}" for file in made.files))
    typer.echo("请做 to do:\n" + "\n".join(f"  {n}. {what}" for n, what in enumerate(made.asked, start=1)))
    typer.echo(f"然后 then: speceval check {path} ; speceval run {path}")


def propose_map(
    file: Annotated[Path, typer.Argument(help="数据文件 data file", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", help="写到此文件 write the map here")] = None,
    force: Annotated[bool, typer.Option("--force", help="覆盖已有文件 overwrite")] = False,
    as_json: Json = False,
) -> None:
    """为未知格式的文件提出格式映射，由人核对。Propose a format map for a file; a person confirms it."""
    from toolkit.data.reading.mapping import propose, table
    from toolkit.errors import ParameterError

    if out and out.exists() and not force:
        raise ParameterError(
            f"文件已存在: {out}", "file exists", remedy="换一个名字, 或加 --force", remedy_english="or --force"
        )
    proposal = propose(file)
    if as_json:
        print_json(
            {
                "layout": proposal.layout,
                "unresolved": [c.name for c in proposal.unresolved],
                "missing": proposal.missing,
                "fields": [{"field": f, "columns": c, "confidence": s, "reason": r} for f, c, s, r in table(proposal)],
            }
        )
    if not out:
        if not as_json:
            typer.echo(proposal.yaml(), nl=False)
        return
    out.write_text(proposal.yaml(), encoding="utf-8")
    if not as_json:
        for field, columns, sure, reason in table(proposal):
            typer.echo(f"  {field:24} {sure}  {columns} — {reason}")
        typer.echo(f"已写 written: {out}\n逐项核对后改为 check every line, then set: confirmed: true")


def check(
    params: Params,
    worklists: Annotated[
        Path | None,
        typer.Option("--worklists", help="把整改清单写到此文件夹 write the worklists here", show_default=False),
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--page", help="结果写成网页 write the findings as a page", show_default=False)
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """只检查数据：每例去了哪里，为什么；项目、专科、名单是否配上。Check the data only.

    退出码 exit code：3 没有一例被纳入，或有项目、专科没有病例，或名单没有配上。
    """
    from toolkit.evaluation.names import NAMES
    from toolkit.params import load_params
    from toolkit.running.scratch import scratch
    from toolkit.runs import checking, pipeline

    loaded = load_params(params, NAMES)
    with scratch() as work, progress(quiet or as_json) as (step, _):
        checked = pipeline.check(loaded, Path(work), step, lists=worklists)
    if page:
        checking.write_page(checked, loaded, page)
    if as_json:
        print_json(checking.as_json(checked))
    else:
        typer.echo(checking.as_text(checked))
        for what, where in (("整改清单 worklists", worklists), ("网页 page", page)):
            if where:
                typer.echo(f"{what}: {where}")
    raise typer.Exit(checking.exit_code(checked))
