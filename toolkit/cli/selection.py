"""`speceval select`: who is eligible, who is chosen, why the others are not, and how sure that is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.shared import IntoLedger, Json, Seed, Who, print_json

if TYPE_CHECKING:
    import pandas as pd

    from toolkit.programme.draws import Draws
    from toolkit.programme.ledger import Enter
    from toolkit.programme.selection import Selected


def select(
    selection: Annotated[Path, typer.Argument(help="遴选规则 rules of the selection (YAML)", show_default=False)],
    applicants: Annotated[Path, typer.Option("--applicants", help="申报名单 a row an applicant", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="写到 .xlsx write to", show_default=False)],
    system: Annotated[
        Path | None, typer.Option("--system", help="指标体系；不给则用名单中的 score 列 indicator system")
    ] = None,
    values: Annotated[
        Path | None, typer.Option("--values", help="数值表，不给则在名单中 table of values", show_default=False)
    ] = None,
    errors: Annotated[
        Path | None, typer.Option("--errors", help="各项的标准误，格式同数值表 standard errors", show_default=False)
    ] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(
            "--also-values",
            help="另一口径下的同一数值表（换参照、裁剪等），可重复；抽样时各口径机会均等 the same values by other definitions",
            show_default=False,
        ),
    ] = None,
    lists: Annotated[
        list[str] | None,
        typer.Option("--list", help="名称=文件，如 diseases=病种.csv，可重复 name=file", show_default=False),
    ] = None,
    draws: Annotated[int, typer.Option("--draws", min=0, help="抽样次数，0 不算概率 draws")] = 0,
    band: Annotated[float, typer.Option("--band", min=0, max=1, help="权重的疑义，±份额 doubt about weights")] = 0.25,
    seed: Seed = 0,
    ledger: IntoLedger = "",
    who: Who = "",
    as_json: Json = False,
) -> None:
    """遴选：资格逐条说明，名额按规则优化，未入选者写明何条规则，递补次序，入选概率。Select projects under the rules."""
    from toolkit.frames import rows_of
    from toolkit.programme.ledger_export import entering
    from toolkit.programme.selection import read_selection
    from toolkit.programme.selection import select as selected
    from toolkit.programme.tables import read_table

    rules = read_selection(selection)
    table = read_table(applicants, "申报名单", [rules.applicant], key=[rules.applicant])
    scores, drawn = _scored(table, rules.applicant, system, values, errors, draws, band, seed, also or [])
    found = selected(rules, table, scores, lists=_lists(lists or [], selection), draws=drawn)
    with entering(ledger, out) as enter:
        _write(found, out)
        _enter(found, enter, who, rules.title, out)
    if as_json:
        rows = found.applicants.astype(object).where(found.applicants.notna(), None)
        moved = found.influence.astype(object).where(found.influence.notna(), None).to_dict("records")
        print_json({"applicants": rows.to_dict("records"), "rules": found.rules.to_dict("records"), "influence": moved})
        return
    for row in rows_of(found.applicants):
        chance = f"，入选概率 {row.chance:.0%}" if draws else ""
        told = "入选" if row.chosen else f"未入选：{row.why}"
        typer.echo(f"{row.track}  {row.applicant}  {row.score:.2f}{chance}  {told}")
    for total in rows_of(found.rules[found.rules["rule"] == "total"]):
        if total.used < total.high:
            typer.echo(f"注意: {total.track}有 {total.high:g} 个名额，按全部规则只能用 {total.used:g} 个")
    for row in rows_of(found.influence[found.influence["of"] == "chosen"].dropna(subset=["total"])):
        typer.echo(f"谁入选的变动: {row.input_zh} 单独 {row.first:.0%}，连同与其他输入的共同作用 {row.total:.0%}")
    typer.echo(f"结果 results: {out}")


def _scored(
    table: pd.DataFrame,
    applicant: str,
    system: Path | None,
    values: Path | None,
    errors: Path | None,
    draws: int,
    band: float,
    seed: int,
    also: list[Path],
) -> tuple[pd.Series, Draws | None]:
    """Scores by applicant, and drawn again where that is asked."""
    from toolkit.errors import ParameterError
    from toolkit.programme.draws import drawn
    from toolkit.programme.influence import drawn_anew
    from toolkit.programme.scoring import score
    from toolkit.programme.systems import read_system
    from toolkit.programme.tables import number_of, read_table, read_values

    if system is None:
        if draws or "score" not in table:
            raise ParameterError(
                "没有指标体系时名单须有 score 列，且不能算入选概率",
                "without a system the list needs a column score, and no chance can be told",
                where="--system",
                remedy="给出 --system",
                remedy_english="give --system",
            )
        return number_of(table, "score", "申报名单", "score").set_axis(table[applicant]), None
    read = read_system(system)
    frame = read_table(values, "数值表", [read.unit], key=[read.unit]) if values else table
    card = score(read, frame)
    scores = card.units.set_index("unit")["score"].where(card.units.set_index("unit")["rated"])
    if not draws:
        return scores, None
    of_items = read_values(errors) if errors else None
    others = [read_table(path, "另一口径的数值表", [read.unit], key=[read.unit]) for path in also]
    return scores, drawn(
        read, frame, of_items, draws=draws, seed=seed, band=band, other_values=others, anew=drawn_anew(draws)
    )


def _lists(given: list[str], selection: Path) -> dict[str, pd.DataFrame]:
    from toolkit.errors import ParameterError
    from toolkit.programme.eligibility import read_list
    from toolkit.programme.selection import read_selection

    keys = {c.among_first.table: c.among_first.key for c in read_selection(selection).eligibility if c.among_first}
    found = {}
    for one in given:
        name, equals, path = one.partition("=")
        if not equals or name not in keys:
            raise ParameterError(
                f"--list {name} 不是规则中的清单",
                "no list of the rules",
                where="--list",
                remedy=f"写作 名称=文件；规则中的清单: {'、'.join(keys) or '无'}",
                remedy_english="as name=file",
            )
        found[name] = read_list(Path(path), keys[name])
    return found


def _write(found: Selected, out: Path) -> None:
    from toolkit.programme.selection import sheets_of
    from toolkit.programme.tables import write_table, write_tables

    if out.suffix.lower() == ".xlsx":
        write_tables(sheets_of(found), out)
    else:
        write_table(found.applicants, out)


def _enter(found: Selected, enter: Enter, who: str, title: str, out: Path) -> None:
    """One entry: who was chosen, and the hash of the file that says why the others were not."""
    from toolkit.programme.ledger import NOTE
    from toolkit.running.notebook import file_hash

    chosen = sorted(found.applicants.loc[found.applicants["chosen"], "applicant"])
    content = {"chosen": chosen, "applicants": len(found.applicants), "file": out.name, "sha256": file_hash(out)}
    enter(kind=NOTE, role="commission", who=who, why=f"遴选：{title}", content=content)
