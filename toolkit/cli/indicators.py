"""Commands on indicators and systems of them, without a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.shared import Json, Seed, print_json


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
    errors: Annotated[
        Path | None, typer.Option("--errors", help="各项的标准误，格式同数值表 standard errors", show_default=False)
    ] = None,
    draws: Annotated[
        int, typer.Option("--draws", min=0, help="抽样次数；0 不排名次：名次不单独给出 draws; without them no ranks")
    ] = 0,
    band: Annotated[float, typer.Option("--band", min=0, max=1, help="权重的疑义，±份额 doubt about weights")] = 0.25,
    first: Annotated[int, typer.Option("--first", min=0, help="另算在前几名的概率 chance of the first so many")] = 0,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """用一个指标体系给一张数值表计分，不需要运行评估。Score a table of values by a system, without a run."""
    from toolkit.errors import ParameterError
    from toolkit.programme.draws import drawn, rankable, ranked
    from toolkit.programme.scoring import score as scored
    from toolkit.programme.systems import read_system
    from toolkit.programme.tables import read_values, write_table

    if (errors or first) and not draws:
        raise ParameterError(
            "--errors、--first 须同时给出 --draws",
            "errors and --first are of draws",
            where="--draws",
            remedy="如 --draws 1000",
            remedy_english="e.g. --draws 1000",
        )
    read, table = read_system(system), read_values(values)
    card = scored(read, table)
    wide, share = card.wide(), None
    if draws:
        made = drawn(read, table, read_values(errors) if errors else None, draws=draws, seed=seed, band=band)
        wide, share = ranked(wide, made, read.unit, first or None), rankable(made)
    else:
        wide = wide.drop(columns=["rank", "of"])
    write_table(wide, out)
    rated = card.units["rated"]
    if as_json:
        told = {"units": len(card.units), "rated": int(rated.sum()), "rankability": share}
        print_json({**told, "notes": card.notes, "out": str(out)})
        return
    for note in card.notes:
        typer.echo(f"注意: {note}")
    if share is None:
        typer.echo("没有给出 --draws：不排名次，名次须与其把握一起给出 no ranks without what is not known about them")
    else:
        typer.echo(f"名次可信度 rankability: {share:.0%}（单位间差异中不是误差的份额；50% 以下差，75% 以上好）")
    typer.echo(f"{len(card.units)} 个单位，{int(rated.sum())} 个可评级；结果: {out}")
