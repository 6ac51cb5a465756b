"""Commands that look into a finished run: its tables, worklists, single records, the cases behind a number."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from toolkit.cli.shared import Json, print_json


def export(
    run: Annotated[Path, typer.Argument(help="已完成的运行 a finished run", show_default=False)],
    ro_crate: Annotated[
        Path, typer.Option("--ro-crate", help="新文件夹或 .zip new folder or .zip", show_default=False)
    ],
    as_json: Json = False,
) -> None:
    """导出为 RO-Crate：报告、结果表、笔记本、参数与清单，不含病例记录。Export without records."""
    from toolkit.runs.crate import export_crate

    names = export_crate(run, ro_crate)
    if as_json:
        print_json({"crate": str(ro_crate), "files": names})
    else:
        typer.echo(f"已导出 exported: {ro_crate}，{len(names)} 个文件 files")


def tables(
    run: Annotated[Path, typer.Argument(help="已完成的运行 a finished run", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="新文件夹，或上次写出的 a new folder", show_default=False)],
    table: Annotated[
        list[str] | None, typer.Option("--table", help="只要这些表，可重复 only these, repeatable", show_default=False)
    ] = None,
    xlsx: Annotated[bool, typer.Option("--xlsx", help="另写 xlsx as workbooks too")] = False,
    chinese_headers: Annotated[
        bool, typer.Option("--chinese-headers", help="表头和编号用中文 headers and ids in Chinese words")
    ] = False,
    as_json: Json = False,
) -> None:
    """结果表写成 csv（和 xlsx），两个版本都可以。Result tables for spreadsheets."""
    from toolkit.runs.table_files import write_tables

    written = write_tables(run, out, names=table or (), xlsx=xlsx, chinese=chinese_headers)
    if as_json:
        print_json({"folder": str(out), "files": written.files, "withheld": written.withheld})
        return
    typer.echo(f"已写出 written: {out}，{len(written.files)} 个文件 files")
    if written.withheld:
        typer.echo(f"发布版不给出 not in the release edition: {'、'.join(written.withheld)}")


def worklist(
    run: Annotated[Path, typer.Argument(help="运行的文件夹 folder of a run", show_default=False)],
    to: Annotated[
        Path | None,
        typer.Option("--to", help="写到此文件夹 folder to write to; 默认为运行的 worklists", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """为每家机构写整改清单（csv 和 xlsx）：文件、行号、规则、填报值、办法。Write each hospital's worklist."""
    from toolkit.frames import rows_of
    from toolkit.runs import finished

    summary = finished.worklists(run, to)
    if as_json:
        print_json(summary.to_dict("records"))
        return
    for row in rows_of(summary):
        typer.echo(
            f"{row.hospital or '—':12} 隔离 {row.quarantined:>8,}  排除 {row.excluded:>8,}  提示 {row.warned:>8,}  {row.name}"
        )
    typer.echo(f"清单 lists: {to or run / finished.WORKLISTS}")


def trace(
    run: Annotated[Path, typer.Argument(help="运行的文件夹 folder of a run", show_default=False)],
    hospital: Annotated[str, typer.Option("--hospital", help="机构代码 hospital code")] = "",
    record: Annotated[str, typer.Option("--record", help="病案号 record number")] = "",
    visit: Annotated[str, typer.Option("--visit", help="住院次数 number of the stay; 默认全部")] = "",
    file: Annotated[str, typer.Option("--file", help="文件名 name of a source file")] = "",
    line: Annotated[int, typer.Option("--line", help="行号，表头为第 1 行 line, the header is line 1")] = 0,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", help="运行的密钥，默认用本机保存的 the run's key", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """查一例的去向：哪条规则，进入了哪些数值。What became of a record, and which numbers it entered."""
    from toolkit.errors import ParameterError
    from toolkit.runs import finished

    if bool(hospital and record) == bool(file and line):
        raise ParameterError(
            "请给出机构和病案号，或文件和行号",
            "give hospital and record, or file and line",
            where="trace",
            remedy="speceval trace 运行 --hospital 0001 --record 123；或 --file a.csv --line 7",
            remedy_english="see the examples",
        )
    found = finished.trace(run, hospital=hospital, record=record, visit=visit, file=file, line=line, key_file=key_file)
    from toolkit.evaluation.results import RESULTS, load
    from toolkit.runs.trace import as_records, as_text

    if as_json:
        print_json(as_records(found))
    else:
        typer.echo(as_text(found, load(run / RESULTS)))


def cases(
    run: Annotated[Path, typer.Argument(help="运行的文件夹 folder of a run", show_default=False)],
    indicator: Annotated[str, typer.Option("--indicator", help="指标编号，或 cost_outliers、los_outliers")],
    hospital: Annotated[str, typer.Option("--hospital", help="机构代码 hospital code")],
    specialty: Annotated[str, typer.Option("--specialty", help="只列该专科 this specialty only")] = "",
    period: Annotated[str, typer.Option("--period", help="周期或年份 cycle or year；默认最后一个周期")] = "",
    form: Annotated[
        Path | None, typer.Option("--form", help="写病例讨论表 write the review form (.xlsx, .csv)", show_default=False)
    ] = None,
    review: Annotated[
        Path | None, typer.Option("--review", help="读回填好的讨论表 read a filled-in form back", show_default=False)
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option("--key-file", help="假名的密钥，只在医院 the key, at the hospital only", show_default=False),
    ] = None,
    records: Annotated[
        Path | None, typer.Option("--records", help="本院病案号清单 CSV: record,visit", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """列出一项指标背后的病例，供病例讨论；读回结果，并给出剔除编码错误后的数值。The cases behind a number."""
    from toolkit.errors import ParameterError
    from toolkit.evaluation.results import RESULTS, load
    from toolkit.runs import cases as behind
    from toolkit.runs import review as reviewed

    if (key_file is None) != (records is None):
        raise ParameterError(
            "病案号要用密钥和本院病案号清单一起查",
            "record numbers need the key and the hospital's own list together",
            where="--key-file --records",
            remedy="两项都给，或都不给",
            remedy_english="give both or neither",
        )
    found = behind.case_list(run, indicator, hospital, specialty=specialty, period=period)
    if key_file and records:
        found = behind.with_records(found, records, key_file)
    title = f"{run.name} {hospital} {indicator}"
    if form:
        reviewed.write_form(found, form, title)
    content: dict[str, object] = {"cases": found.astype(object).where(found.notna(), None).to_dict("records")}
    if review:
        answers = reviewed.read_form(review, found)
        content["answers"] = {n: {"是": y, "否": no, "未填": left} for n, y, no, left in reviewed.answered(answers)}
        if indicator not in behind.OUTLIERS:
            once_more = reviewed.without_errors(load(run / RESULTS), indicator, hospital, found, answers, period)
            content["indicator"] = once_more.to_dict("records")
    if as_json:
        print_json(content)
        return
    typer.echo(reviewed.as_text(found, content))
    if form:
        typer.echo(f"讨论表 form: {form}")


def diff(
    one: Annotated[Path, typer.Argument(help="前一次运行的文件夹 the earlier run", show_default=False)],
    other: Annotated[Path, typer.Argument(help="后一次运行的文件夹 the later run", show_default=False)],
    params: Annotated[
        list[Path] | None,
        typer.Option(
            "--params",
            help="两次运行各自的参数文件，依次给出：重算中间的各步，分清每项判定由什么而变 both parameter files, in order, "
            "to make the runs in between",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option("--out", help="另写成页面、Word、PDF：.html .docx .pdf，可重复 repeatable", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """比较两次运行：参数、数据、程序、数值、判定，每项改变了的判定由什么而变。What differs between two runs, and why.

    退出码 exit code：0 判定都相同 the same verdicts，5 有判定不同 some differ.
    """
    from toolkit.errors import ParameterError, RunError
    from toolkit.evaluation.names import NAMES
    from toolkit.params import load_params
    from toolkit.runs import two_runs

    if params and len(params) != 2:
        raise ParameterError(
            "--params 要给两次：先前一次的，再后一次的",
            "--params is given twice: that of the earlier run, then that of the later",
            where="--params",
            remedy="speceval diff 运行甲 运行乙 --params 甲.yaml --params 乙.yaml",
            remedy_english="see the example",
        )
    own = (load_params(params[0], NAMES), load_params(params[1], NAMES)) if params else None
    targets = [two_runs.writer(path) for path in out or ()]
    found = two_runs.compare(one, other, params=own, say=lambda line: typer.echo(line, err=True))
    for write in targets:
        write(found)
    if as_json:
        print_json(two_runs.as_json(found))
    else:
        typer.echo(two_runs.as_text(found))
    raise typer.Exit(RunError.exit_code if len(found.changed) else 0)
