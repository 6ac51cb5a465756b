"""Where a report's numbers come from, in the words printed on it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from toolkit.errors import ContractBroken

SYNTHETIC_BANNER = "合成数据，仅供演示，不得用于评价"
EDITIONS = {"internal": "内部评估版", "release": "发布版"}


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a reader needs to find the records, parameters and code behind a report. Holds no clock time unless given.

    Parameters
    ----------
    run
        Identifier of the run, `[0-9A-Za-z_-]`, at most 64 characters: it also stands on every printed page.
    title
        Name of the evaluation, in Chinese.
    synthetic
        True puts a banner on the report and on every printed page.
    data_hash, parameter_hash, lock_hash
        sha256 in hexadecimal, of the input data, the parameters and the lock file; shown by their first 12 characters.
    version
        Version of the toolkit's code.
    data_date
        The time the data cover, e.g. `2019-01 至 2024-12`.
    policies
        Choices where sources differ: pairs of Chinese name and chosen value.
    edition
        Who may read it: a key of `EDITIONS`, whose words stand on every printed page.
    generated_note
        Free text such as the date of the report, when the caller wants one; empty keeps bytes equal on a rerun.
    """

    run: str
    title: str
    synthetic: bool
    data_hash: str
    parameter_hash: str
    lock_hash: str
    version: str
    data_date: str
    policies: tuple[tuple[str, str], ...] = ()
    edition: str = "internal"
    generated_note: str = ""

    def __post_init__(self) -> None:
        # run and hashes are written into the page style, which HTML escaping does not protect
        if not re.fullmatch(r"[0-9A-Za-z_-]{1,64}", self.run):
            raise ContractBroken("运行编号含有不允许的字符", "run id may hold only letters, digits, - and _")
        if self.edition not in EDITIONS:
            raise ContractBroken(f"没有版本 {self.edition}", "no such edition")
        for name in ("data_hash", "parameter_hash", "lock_hash"):
            if not re.fullmatch(r"[0-9a-f]{8,64}", getattr(self, name)):
                raise ContractBroken(f"{name} 不是十六进制摘要", f"{name} is not a hexadecimal digest")

    def lines(self) -> tuple[tuple[str, str], ...]:
        """Pairs of Chinese label and value, in the order printed by every format."""
        pairs = (
            ("版本", EDITIONS[self.edition]),
            ("运行编号", self.run),
            ("数据时段", self.data_date),
            ("数据摘要", self.data_hash[:12]),
            ("参数摘要", self.parameter_hash[:12]),
            ("代码版本", self.version),
            ("依赖锁摘要", self.lock_hash[:12]),
            ("备注", self.generated_note),
        )
        return tuple((label, value) for label, value in pairs if value)

    def footer(self) -> str:
        """One line for the foot of every printed page."""
        return (
            f"{EDITIONS[self.edition]} · 运行 {self.run} · 数据 {self.data_hash[:12]} · 参数 {self.parameter_hash[:12]}"
        )

    @property
    def last_year(self) -> int:
        """The last year that the data cover: archives ask for a date, and that of the clock would change with every rerun."""
        years = re.findall(r"\d{4}", self.data_date)
        return int(years[-1]) if years else 2000

    @property
    def edition_name(self) -> str:
        """The edition in words."""
        return EDITIONS[self.edition]
