"""`speceval ledger`: enter, show, verify, export."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.shared import Json, Ledger, Who, print_json

app = typer.Typer(
    name="ledger",
    no_args_is_help=True,
    help="台账：只增不改，谁、何时、以何身份、为何、做了什么。The append-only ledger of the programme.",
)

States = Annotated[
    Path | None,
    typer.Option("--states", help="状态表，默认用自带的 table of states; the shipped one", show_default=False),
]


@app.command()
def add(
    ledger: Ledger,
    role: Annotated[str, typer.Option("--role", help="以何身份 in what office：hospital、county、commission、panel")],
    to: Annotated[str, typer.Option("--to", help="变更为此状态 move the project to this state")] = "",
    statement: Annotated[
        str, typer.Option("--statement", help="机构说明的类别：data_error、case_mix、clinical、organisation、other")
    ] = "",
    corrects: Annotated[int, typer.Option("--corrects", min=0, help="更正第几条 number of the entry to correct")] = 0,
    project: Annotated[str, typer.Option("--project", help="项目编号 id of the project")] = "",
    why: Annotated[str, typer.Option("--why", help="理由或内容 why, in words")] = "",
    content: Annotated[
        list[str] | None, typer.Option("--content", help="键=值，可重复 key=value, repeatable", show_default=False)
    ] = None,
    who: Who = "",
    states: States = None,
    as_json: Json = False,
) -> None:
    """记一条：状态变更（--to）、机构说明（--statement）、更正（--corrects），都不给则为一般记录。Enter one thing."""
    from toolkit.errors import ParameterError
    from toolkit.programme import ledger as ledgers
    from toolkit.programme.ledger_export import opened

    if sum((bool(to), bool(statement), bool(corrects))) > 1:
        raise ParameterError(
            "--to、--statement、--corrects 只能给一个",
            "give one of them",
            remedy="分几次记",
            remedy_english="enter them one by one",
        )
    given = _pairs(content or [])
    kind = ledgers.NOTE
    if to:
        kind, given = ledgers.STATE, {**given, "to": to}
    elif statement:
        kind, given = ledgers.STATEMENT, {**given, "class": statement}
    elif corrects:
        kind, given = ledgers.CORRECTION, {**given, "corrects": corrects}
    with opened(ledger, states, new=True) as one:
        entry = one.append(kind=kind, who=who, role=role, project=project, why=why, content=given)
    if as_json:
        print_json(asdict(entry))
        return
    typer.echo(f"已记 entered: 第 {entry.number} 条，{ledgers.KINDS[kind]}，{entry.at}，{entry.hash[:16]}")


def _pairs(given: list[str]) -> dict[str, object]:
    from toolkit.errors import ParameterError

    pairs: dict[str, object] = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not (key and equals) or key in pairs:
            raise ParameterError(
                f"--content {key} 须为 键=值 且不重复",
                "key=value, each once",
                remedy="如 --content 文号=示例1号",
                remedy_english="key=value",
            )
        pairs[key] = value
    return pairs


@app.command()
def show(
    ledger: Ledger,
    project: Annotated[str, typer.Option("--project", help="只看此项目 of this project only")] = "",
    states: States = None,
    as_json: Json = False,
) -> None:
    """列出各条和各项目的状态。List the entries and the state of every project."""
    from toolkit.frames import rows_of
    from toolkit.programme.ledger_export import opened, projects_table, told

    with opened(ledger, states) as one:
        entries = one.entries(project or None)
        projects = projects_table(one, entries)
        if as_json:
            print_json({"entries": [asdict(e) for e in entries], "projects": projects.to_dict("records")})
            return
        for entry in entries:
            typer.echo(told(entry, one.states))
        for row in rows_of(projects):
            typer.echo(f"{row.project or '（方案）'}：{row.state_zh}，{row.entries} 条，最近 {row.last}")


@app.command()
def verify(
    ledger: Ledger,
    head: Annotated[
        str, typer.Option("--head", help="此前记下的末条，写作 条目号:哈希 a head noted before, number:hash")
    ] = "",
    run: Annotated[
        Path | None, typer.Option("--run", help="核对此运行清单封存的末条 the head sealed in this run's manifest")
    ] = None,
    as_json: Json = False,
) -> None:
    """核对台账：逐条哈希、编号、时间；给出此前的末条，还能看出截断和重写。Verify the chain; 0 whole, 5 not."""
    from toolkit.errors import RunError
    from toolkit.programme.ledger import Head
    from toolkit.programme.ledger_export import head_of, opened
    from toolkit.runs.run_manifest import sealed_head

    sealed = [head_of(head)] if head else []
    if run is not None:
        sealed.append(Head(**sealed_head(run)))
    with opened(ledger) as one:
        faults = list(dict.fromkeys([*one.verify(), *(fault for noted in sealed for fault in one.verify(noted))]))
        now = one.head()
    if as_json:
        print_json({"verified": not faults, "faults": faults, "head": asdict(now)})
    else:
        for fault in faults:
            typer.echo(f"不符 differs: {fault}")
        if not faults:
            typer.echo(f"完好 verified: {now.number} 条 entries，末条 head {now.number}:{now.hash}")
    if faults:
        raise typer.Exit(RunError.exit_code)


@app.command()
def export(
    ledger: Ledger,
    out: Annotated[Path, typer.Option("--out", help="写到 .csv、.xlsx 或 .json write to", show_default=False)],
    project: Annotated[str, typer.Option("--project", help="只要此项目 of this project only")] = "",
    states: States = None,
) -> None:
    """导出台账；.json 保留每条的哈希，可另行核对。Export; JSON keeps what is hashed."""
    from toolkit.programme.ledger_export import entries_table, export_to, opened, projects_table

    with opened(ledger, states) as one:
        entries = one.entries(project or None)
        export_to(out, entries, entries_table(entries, one.states), projects_table(one, entries), one.head())
    typer.echo(f"已导出 exported: {out}，{len(entries)} 条 entries")


def head(ledger: str) -> dict[str, object]:
    """Number and hash of a ledger's last entry, as a run's manifest seals them."""
    from toolkit.programme.ledger_export import opened

    with opened(ledger) as one:
        return asdict(one.head())
