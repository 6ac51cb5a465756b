"""Commands on indicators and systems of them, without a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.shared import Json, print_json


def indicators(
    id: Annotated[str, typer.Argument(help="指标编号 indicator id", show_default=False)] = "", as_json: Json = False
) -> None:
    """列出指标；给出编号则解释一项。List the indicators, or explain one."""
    from toolkit.errors import ParameterError, nearest
    from toolkit.indicators import CATALOGUE
    from toolkit.reporting.formats.handbook import facts, plain

    if id and id not in CATALOGUE:
        near = nearest(id, CATALOGUE)
        raise ParameterError(
            f"没有指标 {id}",
            "no such indicator",
            remedy=f"是否为 {near}?" if near else "speceval indicators 列出全部",
            remedy_english=f"did you mean {near}?" if near else "",
        )
    chosen = [CATALOGUE[id]] if id else list(CATALOGUE.values())
    if as_json:
        print_json([facts(one) for one in chosen])
    elif id:
        typer.echo(plain(chosen[0]))
    else:
        for one in chosen:
            typer.echo(f"{one.id:32} {one.domain.value}  {one.name_zh}（{one.unit or '无量纲'}）")


def score(
    system: Annotated[Path, typer.Argument(help="指标体系文件 indicator system (YAML)", show_default=False)],
    values: Annotated[Path, typer.Option("--values", help="数值表：一行一个单位，一列一项 csv or xlsx")],
    out: Annotated[Path, typer.Option("--out", help="写入的 csv，已有则替换 csv to write")],
    as_json: Json = False,
) -> None:
    """用一个指标体系给一张数值表计分，不需要运行评估。Score a table of values by a system, without a run."""
    from toolkit.programme.scoring import score as scored
    from toolkit.programme.systems import read_system
    from toolkit.programme.tables import read_values, write_table

    card = scored(read_system(system), read_values(values))
    write_table(card.wide(), out)
    rated = card.units["rated"]
    if as_json:
        print_json({"units": len(card.units), "rated": int(rated.sum()), "notes": card.notes, "out": str(out)})
        return
    for note in card.notes:
        typer.echo(f"注意: {note}")
    typer.echo(f"{len(card.units)} 个单位，{int(rated.sum())} 个可评级；结果: {out}")
