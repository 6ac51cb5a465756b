"""The command line `speceval`: parse, call the pipeline, print. Heavy modules are imported inside the commands."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from toolkit.cli import decision as decision_commands
from toolkit.cli import evidence as evidence_commands
from toolkit.cli import ledger as ledger_commands
from toolkit.cli import panel as panel_commands
from toolkit.cli import programme as programme_commands
from toolkit.cli import records as record_commands
from toolkit.cli import selection as selection_commands
from toolkit.cli import spot_check as spot_check_commands
from toolkit.cli import word as word_commands
from toolkit.cli.shared import Json, Params, Quiet, progress
from toolkit.cli.shared import print_json as _print_json
from toolkit.errors import EvaluationError, ParameterError, unforeseen

if TYPE_CHECKING:
    from toolkit.documents import Document
    from toolkit.params import RunParams
    from toolkit.runs.explain import Why
    from toolkit.runs.verification import Checked

LEAST_MEMORY = 2 << 30  # address space in bytes: libraries, threads and maps count

app = typer.Typer(
    name="speceval",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # drawing help with rich costs a third of the start
    help="临床重点专科建设项目评估：从病案首页到评估报告。Evaluation of clinical specialty projects.",
    epilog="退出码 exit codes: 0 完成 done · 2 参数有误 bad parameters · 3 数据不可用 unusable input · "
    "(check: 没有一例被纳入，或项目、专科、名单没有配上 nothing accepted or matched) · "
    "4 程序或插件的声明有误 a fault of the toolkit or a plug-in · "
    "5 有报告未完成，或有不同 a report failed, or something differs · 6 病例不平衡 records do not add up · "
    "7 未能全部核对 not everything could be checked · 1 其他 other",
)
app.add_typer(ledger_commands.app)
for group in (evidence_commands.app, panel_commands.app, decision_commands.protocol, spot_check_commands.app):
    app.add_typer(group)
for command in (
    evidence_commands.values,
    selection_commands.select,
    decision_commands.decide,
    decision_commands.rehearse,
    word_commands.word,
    record_commands.check,
    record_commands.init,
    programme_commands.programme,
):
    app.command()(command)
app.command("map")(record_commands.propose_map)

Reports = Annotated[Path, typer.Option("--reports", help="输出文件夹 folder for the run")]
Workers = Annotated[int, typer.Option("--workers", "-j", min=1, help="同时生成的报告数 reports at a time")]
Fresh = Annotated[bool, typer.Option("--fresh", help="全部重做，不用已有的表和报告 make everything anew")]
EditionOption = Annotated[
    str,
    typer.Option(
        "--edition", help="internal 内部评估版（精确）或 release 发布版（隐去小数目）", show_default="internal"
    ),
]
Explain = Annotated[
    bool,
    typer.Option("--explain", help="说明每个阶段和报告为何保留或重做 say why each stage and report is kept or redone"),
]
Closed = Annotated[
    bool,
    typer.Option(
        "--closed",
        help="关闭网络，只能写 --reports 和临时文件夹 no network, writes to --reports and temporary files only",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="只列出将要做什么 only say what would be done")]


@app.command()
def run(
    params: Params,
    reports: Reports = Path("reports"),
    workers: Workers = 2,
    edition: EditionOption = "",
    fresh: Fresh = False,
    explain: Explain = False,
    dry_run: DryRun = False,
    ledger: Annotated[
        str, typer.Option("--ledger", help="把此台账的末条封存进运行清单 seal this ledger's head in the manifest")
    ] = "",
    closed: Closed = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """运行一次评估，生成全部报告；已完成且核对无误的不重做。Run an evaluation to finished reports; what verifies is kept."""
    left_open = _closed_off(reports) if closed else []
    from toolkit.evaluation.names import NAMES
    from toolkit.params import load_params

    asked = _of_edition(load_params(params, NAMES), edition)
    _run(asked, reports, workers, dry_run, quiet, as_json, fresh, explain, ledger, left_open)


def _closed_off(reports: Path) -> list[str]:
    """Close this process, which as yet has no threads; say what the system could not close."""
    import tempfile

    from toolkit.running.closed import close_off

    reports.mkdir(parents=True, exist_ok=True)
    left_open = close_off([reports, Path(tempfile.gettempdir())])
    for one in left_open:
        typer.echo(f"注意 note: {one}", err=True)
    return left_open


def _of_edition(params: RunParams, edition: str) -> RunParams:
    from toolkit.errors import ParameterError, nearest
    from toolkit.params import Edition

    if edition not in ("", "internal", "release"):
        near = nearest(edition, ("internal", "release"))
        raise ParameterError(
            f"没有版本 {edition}",
            "no such edition",
            where="--edition",
            remedy=f"是否为 {near}?" if near else "internal 或 release",
            remedy_english="internal or release",
        )
    return params.model_copy(update={"edition": next(e for e in Edition if e == edition)}) if edition else params


@app.command()
def demo(
    reports: Reports = Path("reports"),
    workers: Workers = 2,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """用合成数据运行演示评估。Run the demo on synthetic data."""
    from toolkit.resources import resource

    run(resource("params/demo.yaml"), reports, workers, dry_run=dry_run, quiet=quiet, as_json=as_json)


def _run(
    params: RunParams,
    reports: Path,
    workers: int,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    fresh: bool = False,
    explain: bool = False,
    ledger: str = "",
    left_open: Sequence[str] = (),
) -> None:
    if dry_run:
        _say_plan(params, reports, as_json, fresh)
        return
    from toolkit.running import exit_code
    from toolkit.runs import pipeline

    head = ledger_commands.head(ledger) if ledger else None  # before the work: one that cannot be opened costs none
    # stopped from outside, a run still ends its processes and says so in its state
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with progress(quiet or as_json) as (step, report):
        done = pipeline.run(params, reports, workers=workers, progress=step, on_report=report, fresh=fresh, head=head)
    why = _as_records(done.why)
    failed = [o for o in done.outcomes if not o.exists]
    index = done.folder / "index.html"
    if as_json:
        _print_json(
            {
                "run": params.run,
                "index": str(index),
                "reports": [
                    {"id": o.id, "title": o.title, "state": o.state.value, "reason": o.reason} for o in done.outcomes
                ],
                **({"explained": why} if explain else {}),
                **({"open": list(left_open)} if left_open else {}),
            }
        )
    else:
        for one in done.why if explain else ():
            typer.echo(str(one))
        for outcome in failed:
            typer.echo(f"未完成 failed: {outcome.title} — {outcome.reason} {outcome.message}", err=True)
        typer.echo(f"{len(done.outcomes) - len(failed)} 份报告完成 reports done, {len(failed)} 份未完成 failed")
        typer.echo(f"打开 open: {index}")
    raise typer.Exit(exit_code(done.outcomes))


def _as_records(why: Sequence[Why]) -> list[Document]:
    return [{"id": w.what, "report": w.report, "kept": w.kept, "reasons": list(w.reasons)} for w in why]


def _say_plan(params: RunParams, reports: Path, as_json: bool, fresh: bool) -> None:
    """What a run would do, without reading a record."""
    from toolkit.data.reading.opening import find
    from toolkit.evaluation.names import NAMES
    from toolkit.params import policies
    from toolkit.runs import pipeline

    why = pipeline.planned(params, reports, fresh=fresh)
    files = [str(p) for p in find(params.data.entries)] if params.data.entries else []
    plan = {
        "run": params.run,
        "folder": str(reports / params.run),
        "format": "、".join(dict.fromkeys(group.format for group in params.data.groups)) or params.data.format,
        "files": files,
        "synthetic": params.data.synthetic.discharges if params.data.synthetic else None,
        "periods": {k: v.label for k, v in params.periods.items()},
        "specialties": [s.id for s in params.specialties],
        "projects": [f"{p.hospital} {p.specialty}" for p in params.projects],
        "policies": dict(policies(params, NAMES)),
        "explained": _as_records(why),
    }
    if as_json:
        _print_json(plan)
        return
    typer.echo(f"将运行 would run: {params.title}\n输出 output: {plan['folder']}")
    source = f"合成数据 synthetic, {plan['synthetic']:,} 例" if params.data.synthetic else f"{len(files)} 个文件 files"
    typer.echo(f"数据 data: {source}，格式 format {plan['format']}")
    typer.echo(
        f"周期 periods: {'、'.join(v.label for v in params.periods.values())}；专科 specialties: {len(params.specialties) or '随数据生成'}"
    )
    typer.echo(f"项目 projects: {len(params.projects) or '随数据生成'}")
    for name, value in policies(params, NAMES):
        typer.echo(f"  {name} = {value}")
    for one in why:
        typer.echo(str(one))


@app.command()
def verify(
    run: Annotated[
        Path,
        typer.Argument(
            help="运行或报告的文件夹，或一份签过名的文件 folder of a run or a report, or a signed file",
            show_default=False,
        ),
    ],
    rerun: Annotated[
        bool, typer.Option("--rerun", help="按 --params 从原始数据重算并逐格比对 make it anew by --params and compare")
    ] = False,
    params: Annotated[
        Path | None,
        typer.Option("--params", help="核对是否由此参数文件所得 was it made with this file", show_default=False),
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="签名人的公钥 the signer's public key", show_default=False)
    ] = None,
    workers: Workers = 2,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """核对一次运行：每个文件、参数、数据、程序与清单是否一致。Verify a run against its manifest.

    退出码 exit code：0 一致 the same，5 有不同 something differs，7 没有不同，但未能全部核对 not everything could be checked.
    """
    from toolkit.params import load_params
    from toolkit.running.signatures import read_verifier
    from toolkit.runs.reproduction import asked_for, made_again
    from toolkit.runs.verification import Checked, compare_runs, verify_file, verify_run

    signer = read_verifier(key) if key else None
    if run.is_file():
        _say_checked(run.name, verify_file(run, signer), as_json)
    own = asked_for(params) if rerun else params
    checked = verify_run(run, load_params(own) if own else None, key=signer, packages=True)
    if rerun and own and not checked.differences:
        with made_again(run, own, workers=workers, quiet=quiet or as_json) as again:
            unchecked = (*checked.unchecked, *(f"重算时 while rerunning: {one}" for one in again.open))
            found = tuple(compare_runs(run, again.folder))
            checked = Checked(differences=found, unchecked=unchecked, files=checked.files)
    elif rerun:
        typer.echo("有不同，不重算 something differs: not made anew", err=True)
    _say_checked(run.name, checked, as_json, rerun)


def _say_checked(name: str, checked: Checked, as_json: bool, rerun: bool = False) -> NoReturn:
    """Print what a verification found, and end with its exit code."""
    from toolkit.runs.comparison import TOLERANCE
    from toolkit.runs.verification import Verdict

    if as_json:
        _print_json(
            {
                "run": name,
                "verdict": checked.verdict.name.lower(),
                "verified": checked.verdict is Verdict.VERIFIED,
                "rerun": rerun,
                "tolerance": TOLERANCE,
                "files": checked.files,
                "unchecked": checked.unchecked,
                "differences": [d.as_dict() for d in checked.differences],
            }
        )
        raise typer.Exit(checked.verdict.value)
    for what in checked.unchecked:
        typer.echo(f"未核对 unchecked: {what}")
    for one in checked.differences[:20]:
        typer.echo(f"不同 differs: {one}")
    if len(checked.differences) > 20:
        typer.echo(f"… 共 {len(checked.differences)} 处 in all")
    if not checked.differences:
        said = "未能全部核对 not everything was checked" if checked.unchecked else "一致 verified"
        typer.echo(
            f"{said}: {name}，{checked.files} 个文件 files"
            + (f"，重算相同 reproduced（小数容差 tolerance {TOLERANCE:g}）" if rerun else "")
        )
    raise typer.Exit(checked.verdict.value)


@app.command()
def keygen(
    path: Annotated[Path, typer.Argument(help="私钥文件，公钥在旁边 .pub private key; the public one beside it")],
) -> None:
    """生成一对签名密钥（Ed25519）。Make a pair of keys for signing."""
    from toolkit.running.signatures import new_keys

    verifier = new_keys(path)
    typer.echo(f"私钥 private key: {path}（只有您能读，不要外传 yours alone）")
    typer.echo(f"公钥 public key: {path}.pub，指纹 fingerprint {verifier.fingerprint}")


@app.command()
def sign(
    run: Annotated[
        Path, typer.Argument(help="已完成的运行，或任一文件 a finished run, or any file", show_default=False)
    ],
    key: Annotated[Path, typer.Option("--key", help="您的私钥 your private key", show_default=False)],
    as_json: Json = False,
) -> None:
    """签名：对运行的清单（其中有每个文件的哈希），或对一份文件，如台账的首部。Sign a run, or a file such as a ledger's head."""
    from toolkit.running.signatures import read_signer
    from toolkit.runs.verification import sign_run

    signer = read_signer(key)
    place = sign_run(run, signer)
    if as_json:
        _print_json({"signature": str(place), "key": signer.verifier.fingerprint})
    else:
        typer.echo(f"已签名 signed: {place}，公钥指纹 key {signer.verifier.fingerprint}")


@app.command()
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
        _print_json({"crate": str(ro_crate), "files": names})
    else:
        typer.echo(f"已导出 exported: {ro_crate}，{len(names)} 个文件 files")


@app.command()
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
        _print_json({"folder": str(out), "files": written.files, "withheld": written.withheld})
        return
    typer.echo(f"已写出 written: {out}，{len(written.files)} 个文件 files")
    if written.withheld:
        typer.echo(f"发布版不给出 not in the release edition: {'、'.join(written.withheld)}")


@app.command()
def worklist(
    run: Annotated[Path, typer.Argument(help="运行的文件夹 folder of a run", show_default=False)],
    to: Annotated[
        Path | None,
        typer.Option("--to", help="写到此文件夹 folder to write to; 默认为运行的 worklists", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """为每家机构写整改清单（csv 和 xlsx）：文件、行号、规则、填报值、办法。Write each hospital's worklist."""
    from toolkit.runs import finished

    summary = finished.worklists(run, to)
    if as_json:
        _print_json(summary.to_dict("records"))
        return
    for row in summary.itertuples():
        typer.echo(
            f"{row.hospital or '—':12} 隔离 {row.quarantined:>8,}  排除 {row.excluded:>8,}  提示 {row.warned:>8,}  {row.name}"
        )
    typer.echo(f"清单 lists: {to or run / finished.WORKLISTS}")


@app.command()
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
        _print_json(as_records(found))
    else:
        typer.echo(as_text(found, load(run / RESULTS)))


@app.command()
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
        _print_json(content)
        return
    typer.echo(reviewed.as_text(found, content))
    if form:
        typer.echo(f"讨论表 form: {form}")


@app.command()
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
        _print_json([facts(one) for one in chosen])
    elif id:
        typer.echo(plain(chosen[0]))
    else:
        for one in chosen:
            typer.echo(f"{one.id:32} {one.domain.value}  {one.name_zh}（{one.unit or '无量纲'}）")


@app.command()
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
        _print_json({"units": len(card.units), "rated": int(rated.sum()), "notes": card.notes, "out": str(out)})
        return
    for note in card.notes:
        typer.echo(f"注意: {note}")
    typer.echo(f"{len(card.units)} 个单位，{int(rated.sum())} 个可评级；结果: {out}")


def _enough_memory() -> None:
    """Refuse a limit of address space below which the linear algebra under numpy waits for memory for ever."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_MEMORY:
        raise ParameterError(
            f"内存上限（ulimit -v）{limit >> 20} MB 太低",
            f"the limit of address space is {limit >> 20} MB",
            remedy=f"提高到 {LEAST_MEMORY >> 20} MB 以上，或取消",
            remedy_english=f"raise it above {LEAST_MEMORY >> 20} MB, or lift it",
        )


def main() -> None:
    """Entry point; errors a user can act on are printed without a traceback."""
    os.umask(os.umask(0o077) | 0o022)  # whatever the user's, others do not write to a run
    from toolkit.running.processes import SINGLE_THREAD

    os.environ.update(SINGLE_THREAD)  # before numpy comes: sums in one order, whatever the number of processors
    try:
        _enough_memory()
        app()
    except EvaluationError as error:
        typer.echo(f"错误 error: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    except Exception as error:
        if os.environ.get("SPECEVAL_TRACEBACK"):
            raise
        told = unforeseen(error)
        typer.echo(f"错误 error: {told}", err=True)
        raise SystemExit(told.exit_code) from None


if __name__ == "__main__":
    main()
