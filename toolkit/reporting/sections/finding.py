"""正文: the report that a panel reads and signs, at most four printed pages; one where nothing can be judged.

All else, methods, charts and definitions, follows in the technical annex of the same notebook.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from toolkit.evaluation.data_quality import ACCEPTED, EXCLUDED, QUARANTINED
from toolkit.evaluation.holds import IN_PROGRESS
from toolkit.evaluation.judgement import PLAIN
from toolkit.evaluation.reasons import CMI
from toolkit.evaluation.results import Results
from toolkit.evaluation.robustness import CHOICES
from toolkit.evaluation.verdict import Verdict
from toolkit.frames import rows_of
from toolkit.indicators import CATALOGUE, Domain
from toolkit.models.decomposition import totals
from toolkit.reporting.content import plain_words as words
from toolkit.reporting.content.blocks import (
    Annex,
    Block,
    Blocks,
    Heading,
    Meta,
    Note,
    Paragraph,
    Run,
    Signatures,
    Title,
)
from toolkit.reporting.content.tables import Column, count, missing, rounded, table, text
from toolkit.reporting.content.values import cases, events, is_rare, label, name_on, number, with_limits
from toolkit.reporting.figures.indicators import trend
from toolkit.reporting.formats.document import Part, file_name
from toolkit.reporting.sections.change import forest_of, unit_changes
from toolkit.reporting.sections.diseases import leading
from toolkit.reporting.sections.front import chapter, withheld
from toolkit.reporting.sections.origins import anchor
from toolkit.reporting.sections.project import unit_of, years_of
from toolkit.reporting.sections.quality import shocks

QUESTIONS = 8  # asked on site: more is not a list that a panel works through in a day
DISEASES_SHOWN = 6
SERIOUS = 0.95  # of cases grouped, below which the specialty's own indices leave too many out
Z = 1.96
ANNEX_PAGE = file_name(Part.ANNEX, "html")  # beside the report


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """One unit and the changes that it is judged by."""

    results: Results
    unit: pd.Series
    every: list[dict[str, Any]]
    primary: list[dict[str, Any]]

    @property
    def nothing(self) -> bool:
        """Whether not one primary indicator can be judged."""
        return all(Verdict(c["verdict"]) is Verdict.NOT_JUDGED for c in self.primary)

    @property
    def one_page(self) -> bool:
        """A project that cannot be judged has one page; a unit without project is described in full."""
        return self.nothing and bool(self.unit["project"]) and self.results.params.cycles is not None

    def compared(self, indicator: str) -> int:
        """Comparison units behind the estimate that the verdict rests on; 0 where it is the unit's own before and after."""
        found = self.own(self.results.effects)
        method = self.results.params.change.verdict_from
        found = found[(found["level"] == "unit") & (found["indicator"] == indicator) & (found["method"] == method)]
        n = found["n_comparison"].iloc[0] if len(found) and method != PLAIN else 0
        return 0 if missing(n) else int(n)

    def own(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of this unit."""
        return frame[(frame["hospital"] == self.unit["hospital"]) & (frame["specialty"] == self.unit["specialty"])]


def judged(results: Results, project: str = "") -> Judged:
    """What the report of a unit rests on."""
    unit = unit_of(results, project)
    changes = unit_changes(results, unit["hospital"], unit["specialty"])
    if not results.params.cycles or not unit["project"]:
        changes = changes.iloc[:0]
    every = [{str(k): v for k, v in row.items()} for row in changes.to_dict("records")]
    return Judged(
        results=results,
        unit=unit,
        every=every,
        primary=[c for c in every if c["indicator"] in results.params.change.primary],
    )


# --- first page -----------------------------------------------------------------------------------------------------------


def first_page(results: Results, project: str = "") -> Blocks:
    """The finding in words, before anything else; then each primary indicator, the domains, and what to ask on site."""
    case = judged(results, project)
    unit = case.unit
    specialty, hospital = results.specialty_name(unit["specialty"]), results.hospital_name(unit["hospital"])
    counts = "；".join(f"{name} {cases(unit[f'n_{label_}'])} 例" for label_, name in results.periods.items())
    level = results.hospitals.set_index("code")["level"].get(unit["hospital"], "")
    facts = (
        ("医疗机构", f"{hospital}{f'（{level}）' if level else ''}"),
        ("项目", f"{unit['project']}级" if unit["project"] else "未立项"),
        ("出院病例", counts),
    )
    return Blocks(
        Title(text=f"{specialty}{'建设项目' if unit['project'] else ''}评估报告", subtitle=hospital),
        Heading(text="结论"),
        *_conclusion(case),
        Meta(pairs=facts),
        *(
            [Note(text="；".join(n.rstrip("。；") for n in results.params.notes) + "。", tone="warning")]
            if results.params.notes
            else []
        ),
        *_indicators(case),
        *_domains(case),
        *_on_site(case),
    )


def _conclusion(case: Judged) -> list[Block]:
    results = case.results
    if not results.params.cycles:
        return [Paragraph(text="本次评价只有一个时段：以下只描述水平，不作前后判定。")]
    if not case.unit["project"]:
        return [Paragraph(text="本单元没有立项：以下只描述水平，前后变化不下判定。")]
    if not case.primary:
        said = f"不能评价：有周期不足 {results.params.minimum_unit_cases} 例，没有可比较的数值。"
        return [Paragraph(runs=(Run(text=said, strong=True),))]
    runs = [Run(text=words.headline(case.primary), strong=True)]
    if case.nothing:
        reasons = list(dict.fromkeys(str(c["reason_zh"]) for c in case.primary))
        runs.append(Run(text=f"原因：{'；'.join(reasons)}。补齐数据或病例之前，既不能说改善，也不能说变差。"))
    else:
        runs.append(Run(text=f"{len(case.primary)} 项主要指标中：{words.verdict_list(case.primary)}。"))
    return [Paragraph(runs=tuple(runs))]


def _indicators(case: Judged) -> list[Block]:
    """A sentence for each primary indicator; none where the conclusion has given the reasons already."""
    if case.nothing:
        return []
    margin = case.results.params.change.minimum_important
    blocks: list[Block] = [Heading(text="主要指标：变了多少，把握多大", level=2)]
    for change in case.primary:
        head, rest = words.finding(change, case.compared(str(change["indicator"])), margin)
        blocks.append(Paragraph(runs=(Run(text=head, strong=True), Run(text=rest))))
    return blocks


def _domains(case: Judged) -> list[Block]:
    if case.nothing:
        return []
    rows = []
    for domain in Domain:
        judged_, others = words.domain_words(domain, case.every, case.results.params.change.primary)
        rows.append({"domain": domain.value, "judged": judged_, "others": others})
    columns = [
        Column(name="domain", label="维度", format=text),
        Column(name="judged", label="主要指标的判定", format=text),
        Column(name="others", label="其他指标（只供参考，不作判定依据）", format=text),
    ]
    return [table(pd.DataFrame(rows), columns, id="domains", caption="各维度的判定", wide=False)]


# --- what to ask, and what would change the verdict -----------------------------------------------------------------------


def _on_site(case: Judged) -> list[Block]:
    asked = list(dict.fromkeys(_questions(case)))[:QUESTIONS]
    blocks: list[Block] = [Heading(text="请现场核实", level=2)]
    if case.results.params.edition == "release":  # most of what questions come from is not given there
        return [*blocks, withheld()]
    if not asked:
        return [*blocks, Paragraph(text="数据没有提出须现场核实的具体问题。")]
    return [*blocks, *[Paragraph(text=f"{k}. {question}") for k, question in enumerate(asked, 1)]]


def _questions(case: Judged) -> Iterator[str]:
    """What the numbers cannot settle, the gravest first."""
    results, hospital = case.results, case.unit["hospital"]
    for row in rows_of(case.own(results.breaks)):
        if not row.statement:
            yield f"{row.point or f'{row.year} 年'}起数据与以前明显不同而同类单元没有：查明是结算、编码、上报范围变动，还是真实的变化。"
    for change in case.primary:
        if change["boundary"] and change["moved_by"]:
            yield (
                f"{name_on(change['indicator'], 'frozen')}的结论随“{CHOICES[change['moved_by']]}”而变："
                "核实哪一种选择合乎本项目的实际。"
            )
    yield from _reasons(case)
    deaths = next((c for c in case.every if c["indicator"] == "low_or_mid_low_risk_mortality"), None)
    if deaths is not None and is_rare(CATALOGUE[str(deaths["indicator"])]) and not missing(deaths["after"]):
        died = round(deaths["after"] * deaths["n_after"] / 100)
        if died:
            yield f"低与中低风险组在建设周期有 {died} 例死亡：逐例讨论病历，排除编码错误。"
    grouped = _own_value(case, "grouped_share")
    if grouped is not None and grouped < 100 * SERIOUS:
        yield f"入组率 {rounded(grouped, 1)}%：未入组病例不进入各项指数，核实病案首页。"
    begun = not any(c["reason"] == IN_PROGRESS for c in case.primary)
    if case.nothing and not case.unit["eligible"] and begun:
        yield f"有周期不足 {results.params.minimum_unit_cases} 例：核实是否漏报，或科别归属有误。"
    warned = results.hospital_warnings
    warned = warned[warned["hospital"] == hospital]
    mine, of_all = warned[warned["specialty"] == case.unit["specialty"]], warned[warned["specialty"] == ""]
    yield from (f"{said}。" for said in mine["message"])
    if len(of_all):
        yield f"全院数据有 {len(of_all)} 条年度提示，见数据质量报告；核实其中涉及本专科的。"


ASK_MIX = "核实收治范围是否改变、轻重病例如何取舍"
ASK_PRACTICE = "抽查同组病历，看费用与住院日怎样降低或升高"
ASK_WEIGHT = {
    True: "抽查主要诊断与并发症编码，看是编码加深还是病情更重",
    False: "抽查主要诊断与并发症编码，看是漏填并发症还是病情更轻",
}


def _reasons(case: Judged) -> Iterator[str]:
    """Where a change comes from, if one of its two parts stands clear of chance."""
    own = case.own(case.results.decomposition)
    if own.empty:
        return
    for row in totals(own, ["indicator"]).to_dict("records"):
        name, lighter = name_on(str(row["indicator"]), "frozen"), row["indicator"] == CMI
        for part in ("mix", "practice"):
            value, error = row[part], row[f"{part}_se"]
            if missing(error) or abs(value) <= Z * error or abs(value) < 0.01:
                continue
            ask = ASK_MIX if part == "mix" else ASK_WEIGHT[value > 0] if lighter else ASK_PRACTICE
            of = "病种结构变化" if part == "mix" else "同一病种内变化"
            yield f"{name}因{of}{'升高' if value > 0 else '降低'} {rounded(abs(value), 2)}：{ask}。"


def _own_value(case: Judged, indicator: str) -> float | None:
    cells = case.own(case.results.cells)
    cells = cells[
        (cells["level"] == "unit")
        & (cells["basis"] == "contemporaneous")
        & (cells["indicator"] == indicator)
        & (cells["period"] == case.results.last_period)
    ]
    return None if cells.empty or missing(cells["value"].iloc[0]) else float(cells["value"].iloc[0])


def would_change(results: Results, project: str = "") -> Blocks:
    """How large a change these cases can show, and which choice moves which verdict."""
    case = judged(results, project)
    if not case.primary:
        return Blocks()
    if results.params.edition == "release":
        return Blocks(*chapter("什么会改变结论"), withheld())
    least = case.own(results.power).set_index("indicator")
    said: list[str] = []
    wanting: dict[str, list[str]] = {}
    for change in case.primary:
        name, verdict = name_on(change["indicator"], "frozen"), Verdict(change["verdict"])
        row = least.loc[change["indicator"]] if change["indicator"] in least.index else None
        if verdict is Verdict.UNDECIDED and row is not None and not missing(row["smallest_fall"]):
            fall, rise = words.higher_or_lower(row["smallest_fall"]), words.higher_or_lower(row["smallest_rise"])
            more = words.what_would_narrow(change)
            said.append(f"{name}：以现有例数和同类单元自行的波动，变化要到{fall}或{rise}才多半能看出；{more}。")
        elif (
            verdict in (Verdict.IMPROVED, Verdict.WORSE)
            and change["moved_by"]
            and not missing(change["share"])
            and change["share"] < 1
        ):
            said.append(f"{name}：换一种“{CHOICES[change['moved_by']]}”，判定就可能不同。")
        elif verdict is Verdict.NOT_JUDGED:
            wanting.setdefault(str(change["reason_zh"]), []).append(name)
    said += [f"{words.listed(names)}：{reason}；这一条不改变，就不能判定。" for reason, names in wanting.items()]
    blocks: list[Block] = chapter("什么会改变结论")
    if not said:
        firm = all(c["robust"] for c in case.primary if not missing(c["robust"]))
        start = "声明的各种政策选择都不改变上述判定；" if firm else ""
        return Blocks(*blocks, Paragraph(text=f"{start}病例或数据更正后须重新计算。"))
    return Blocks(*blocks, *[Paragraph(text=sentence) for sentence in said])


# --- pictures and peers ---------------------------------------------------------------------------------------------------


def pictures(results: Results, project: str = "") -> Blocks:
    """Three pictures: all primary indicators, and the years of the two that matter most."""
    case = judged(results, project)
    if not case.primary or case.nothing:
        return Blocks()
    changes = pd.DataFrame(case.primary)
    blocks: list[Block] = chapter("图示")
    blocks.append(forest_of(results, changes, "finding-forest", "主要指标与对照相比的变化（定基）"))
    for indicator in _telling(case):
        one = CATALOGUE[indicator]
        blocks.append(
            trend(
                years_of(results, case.unit, indicator),
                id=f"finding-{indicator}".replace("_", "-"),
                caption=f"{name_on(indicator, 'frozen')}：逐年",
                unit="本单元",
                y_label=label(indicator, results.currency, "frozen"),
                after=results.params.cycles.after.first if results.params.cycles else None,
                shocks=shocks(results),
                places=min(one.decimals, 2) if one.unit == "" else one.decimals,
                height=2.3,
            )
        )
    return Blocks(*blocks)


def _telling(case: Judged) -> list[str]:
    """The two primary indicators whose years say most: judged changed first, then those farthest from no change."""
    order = {verdict: k for k, verdict in enumerate(words.ORDER)}
    drawn = [c for c in case.primary if not missing(c["before"]) and not is_rare(CATALOGUE[str(c["indicator"])])]
    drawn.sort(key=lambda c: (order[Verdict(c["verdict"])], -abs((c["judged_estimate"] or 1) - 1)))
    return [str(c["indicator"]) for c in drawn[:2]]


def with_peers(results: Results, project: str = "") -> Blocks:
    """Every indicator that has a value, by domain, beside the units of the specialty without project."""
    case = judged(results, project)
    if case.one_page:
        return Blocks()
    unit, last = case.unit, results.last_period
    cells = results.cells
    cells = cells[(cells["basis"] == "contemporaneous") & (cells["specialty"] == unit["specialty"])]
    own = cells[(cells["level"] == "unit") & (cells["hospital"] == unit["hospital"])]
    peers = cells[(cells["level"] == "peers") & (cells["period"] == last)].set_index("indicator")
    rows, without = [], []
    for domain in Domain:
        for indicator, one in CATALOGUE.items():
            mine = own[own["indicator"] == indicator].set_index("period")
            if one.domain is not domain:
                continue
            if last not in mine.index or missing(mine.loc[last, "value"]):
                without.append(one.name_zh)
                continue
            rows.append(
                {
                    "indicator": indicator,
                    "domain": domain.value,
                    "name": label(indicator, results.currency, "contemporaneous"),
                    **{p: _short(mine.loc[p]) if p in mine.index else "—" for p in results.periods if p != last},
                    "own": with_limits(mine.loc[last]),
                    "peers": _short(peers.loc[indicator]) if indicator in peers.index else "—",
                    "n": mine.loc[last, "n"],
                }
            )
    columns = [
        Column(name="domain", label="维度", format=text),
        Column(name="name", label="指标", format=text),
        *[
            Column(name=p, label=n.split("（")[0], format=text, align="right")
            for p, n in results.periods.items()
            if p != last
        ],
        Column(name="own", label=f"{results.periods[last].split('（')[0]}（95% 区间）", format=text, align="right"),
        Column(name="peers", label="同专科未立项", format=text, align="right"),
        Column(name="n", label="例数", format=count),
    ]
    note = "当期：每一年与本年的参照相比，看水平；与上面定基的变化不是同一个数，不可对照相减。" + (
        f"没有数值的：{words.listed(without)}，原因见附件。" if without else ""
    )
    shown = table(
        pd.DataFrame(rows),
        columns,
        id="with-peers",
        caption="各维度的水平与同专科未立项单元",
        note=note,
        wide=False,
        links=[f"{ANNEX_PAGE}#{anchor(row['indicator'])}" for row in rows],
        linked=1,
    )
    return Blocks(*chapter("服务、技术、效率、安全、辐射：与同专科相比"), shown)


def _short(row: pd.Series) -> str:
    """The value alone, of rare events their counts."""
    one = CATALOGUE[str(row["indicator"] if "indicator" in row.index else row.name)]
    if missing(row["value"]):
        return "—"
    if is_rare(one) and not missing(row["x"]):
        return events(row["x"], row["y"], one)
    return number(row["value"], one)


def leading_diseases(results: Results, project: str = "") -> Blocks:
    """The diseases with the most cases, where the report has more than its one page."""
    return Blocks() if judged(results, project).one_page else leading(results, project, DISEASES_SHOWN)


def own_data(results: Results, project: str = "") -> Blocks:
    """How far the data of this specialty can be trusted; what is said of the whole hospital says so."""
    case = judged(results, project)
    last, said = results.periods[results.last_period], []
    for indicator in ("grouped_share", "residence_resolved_share"):
        value = _own_value(case, indicator)
        if value is not None:
            said.append(f"{CATALOGUE[indicator].name_zh} {rounded(value, 1)}%")
    cells = case.own(results.cells)
    cost = cells[
        (cells["level"] == "unit")
        & (cells["basis"] == "frozen")
        & cells["indicator"].isin(["cost_index", "los_index"])
        & (cells["period"] == results.last_period)
    ]
    covered = cost["covered"].dropna()
    if len(covered):
        said.append(f"有定基参照可比的病例 {rounded(covered.min(), 1, 100)}%")
    sentence = f"本专科，{last}：" + ("；".join(said) + "。" if said else "没有可列的数据质量数值。")
    if (
        results.params.edition == "release"
    ):  # what became of records is counted together there, over hospitals and reasons
        return Blocks(*chapter("本专科的数据质量"), Paragraph(text=sentence))
    fates = results.accounts[results.accounts["hospital"] == case.unit["hospital"]].groupby("fate")["n"].sum()
    whole = "；".join(f"{_FATES[f]} {int(n):,} 例" for f, n in fates.items() if f in _FATES)
    if whole:
        sentence += f"全院（不限本专科）收到 {int(fates.sum()):,} 例：{whole}。"
    return Blocks(*chapter("本专科的数据质量"), Paragraph(text=sentence))


_FATES = {ACCEPTED: "纳入", EXCLUDED: "按规则排除", QUARANTINED: "隔离待核实"}


def opinion(results: Results, project: str = "") -> Blocks:
    """Places for the panel's opinion and signatures."""
    judged(results, project)
    return Blocks(*chapter("专家意见与签字"), Signatures(places=(("专家组意见", 3), ("专家签字", 1), ("日期", 1))))


def annex() -> Annex:
    """What follows stands in the technical annex."""
    return Annex()


__all__ = [
    "annex",
    "first_page",
    "judged",
    "leading_diseases",
    "opinion",
    "own_data",
    "pictures",
    "with_peers",
    "would_change",
]
