"""Why a stage or a report is kept or made again, in words: the parameter, file or module that changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.documents import Document, Entries, Plain
from toolkit.running.manifest import LABELS, Identity, code_files, compare, read_manifest, software, verify
from toolkit.running.report import ReportJob, identity

SHOWN = 3  # of many changes of one kind
KINDS = {
    "parameters": "参数 parameter",
    "derived": "参数 parameter",
    "raw": "数据文件 data file",
    "inputs": "输入 input",
    "resources": "输入 input",
    "code": "程序 code",
    "packages": "软件包 package",
    "before": "前一阶段 stage before",
    "secret": "密钥 key",
}


@dataclass(frozen=True, kw_only=True)
class Why:
    """Whether a stage or a report is kept, and if not, why. `report` tells the two apart."""

    what: str
    zh: str
    kept: bool
    reasons: tuple[str, ...] = ()
    report: bool = False

    def __str__(self) -> str:
        if self.kept:
            return f"保留 kept   {self.what}（{self.zh}）"
        shown = "；".join(self.reasons[:SHOWN]) + (f" 等 {len(self.reasons)} 项" if len(self.reasons) > SHOWN else "")
        return f"重做 redone {self.what}（{self.zh}）：{shown}"


TABLES_ANEW = Why(what="reports", zh="报告", kept=False, reasons=("结果表重做 tables are made anew",), report=True)


def why_reports(
    jobs: Sequence[ReportJob],
    code: Mapping[str, str],
    hash_of: Callable[[Path], str],
    hashes: Mapping[Path, str] | None = None,
) -> Iterator[Why]:
    """Of each report whether it is kept, and if not, what it depends on that has changed.

    Parameters
    ----------
    code
        The files of the package, with their hashes, that the reports were made with.
    hash_of, hashes
        Of an input as it is; and of those that will be other than they are, by resolved path.
    """
    known = dict(hashes or {})
    for path in {p.resolve() for job in jobs for p in job.inputs}:
        known.setdefault(path, hash_of(path))
    for job in jobs:
        yield _why_report(job, identity(job, software(), known), code)


def _why_report(job: ReportJob, present: Identity, code: Mapping[str, str]) -> Why:
    found = None if job.fresh else read_manifest(job.folder)
    if found is not None and found["key"] == present.key:
        changed = tuple(verify(job.folder))
        return Why(what=job.id, zh=job.title, kept=not changed, reasons=changed, report=True)
    if found is not None:
        reasons = tuple(compare(found["identity"], present.as_dict()))
        if code and any(line.startswith(LABELS["code"]) for line in reasons):
            files = tuple(differences({"code": code}, {"code": code_files()}))
            reasons = (*(line for line in reasons if not line.startswith(LABELS["code"])), *files)
        return Why(what=job.id, zh=job.title, kept=False, reasons=reasons, report=True)
    reason = "要求全部重做 asked for" if job.fresh else "尚未生成 not made yet"
    return Why(what=job.id, zh=job.title, kept=False, reasons=(reason,), report=True)


def differences(then: Entries, now: Entries) -> Iterator[str]:
    """What differs between two identities of a stage, one line each, nearest cause first."""
    for part, kind in KINDS.items():
        before, after = _named(part, then.get(part)), _named(part, now.get(part))
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) == after.get(name):
                continue
            if part in ("parameters", "packages"):
                yield f"{kind} {name}: {before.get(name, '—')} → {after.get(name, '—')}"
            elif part in ("raw", "inputs", "code", "resources"):
                how = "新增 new" if name not in before else "移除 gone" if name not in after else "改动 changed"
                yield f"{kind} {name} {how}"
            else:
                yield f"{kind} {name}".rstrip()


def _named(part: str, content: Plain) -> Document:
    if part == "raw":
        return _files(content or ())
    if part == "secret":
        return {"": content}
    return dict(content or {})


def _files(rows: Sequence[Entries]) -> Document:
    """Raw files by name; several of one name by their place among these."""
    found: Document = {}
    for row in rows:
        found.setdefault(row["name"], []).append(row["sha256"])
    return found
