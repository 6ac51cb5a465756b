"""监测: is a unit outside chance, since when, and what could its cases have shown at all."""

from __future__ import annotations

import pandas as pd

from toolkit.evaluation.monitoring import OE, OE_ZH
from toolkit.evaluation.results import Results
from toolkit.frames import rows_of
from toolkit.indicators import CATALOGUE, Direction, Indicator
from toolkit.models.change import methods_of
from toolkit.models.monitoring.funnel import Position
from toolkit.models.monitoring.spc import RULES_ZH, Assurance, Signal, read_as
from toolkit.params import ALWAYS_RUN, Covariate
from toolkit.reporting.content.blocks import Block, Blocks, Note, Paragraph, Table
from toolkit.reporting.content.tables import MISSING, Column, count, decimal, missing, p_value, rounded, table, text
from toolkit.reporting.content.values import label
from toolkit.reporting.figures.funnel import funnel_chart
from toolkit.reporting.figures.monitoring import cusum_chart, xmr_chart
from toolkit.reporting.sections.front import chapter, nothing_here
from toolkit.reporting.sections.project import unit_of
from toolkit.reporting.sections.quality import shocks

CHANCE = (
    "漏斗图回答：一个单元离中心的距离，是否超出它的病例数本来就会有的波动。"
    "界限之外是需要核实的信号，不是结论；界限之内不等于没有问题。"
)
GIVEN_RISK = "期望死亡由报送方给出，风险模型不是本工具的，也不能核对。"
RISK = (
    "期望死亡由风险模型得出：每例按 {covariates}取模型给出的死亡概率，相加。"
    "O/E 大于 1 表示死亡多于同类病例的平均。模型看不到病情轻重，O/E 不是质量的直接度量。"
)
NOT_HERE = "没有可列出的结果（没有死亡，或发布版不含此项）。"
JUDGED_POWER = (
    "可检出的最小变化：判定所用的方法（{method}）有 {power} 把握能判为变化的最小真实变化（相对于没有项目时）。"
    "计入抽样、单元自行变化、对照单元与基线校正的误差，与判定用的是同一检验。"
)
POWER = "可检出的最小变化：以该单元的例数，前后比值法有 {power} 把握能显示的最小变化（相对于建设前）。只计抽样误差，实际把握更小。"


# --- region --------------------------------------------------------------------------------------------------------------


def _risk_words(results: Results) -> str:
    """Where expected deaths come from."""
    if results.params.data.valued:
        return GIVEN_RISK
    chosen = results.params.monitoring.covariates
    return RISK.format(covariates="、".join(["DRG", *(c.zh for c in Covariate if c in chosen)]))


def risk_model(results: Results) -> Blocks:
    """The risk model of each period: how well it tells apart, and whether expected deaths agree with observed ones."""
    models = results.risk_models[results.risk_models["basis"] == "contemporaneous"]
    blocks: list[Block] = chapter("死亡风险校正", _risk_words(results))
    if models["deaths"].sum() == 0:
        return Blocks(*blocks, Note(text=NOT_HERE))
    rows = models.assign(period=[results.periods[p] for p in models["period"]])
    columns = [
        Column(name="period", label="时段", format=text),
        Column(name="n", label="病例", format=count),
        Column(name="deaths", label="死亡", format=count),
        Column(name="c_statistic", label="C 统计量（表观）", format=decimal(3)),
        Column(name="pooled", label="合并估计的 DRG 数", format=count),
        Column(name="certain", label="不能估计风险的病例", format=count),
    ]
    minimum = results.params.monitoring.model_minimum_deaths
    note = (
        f"死亡不足 {minimum} 例的 DRG 与编码前几位相同的 DRG 共用一个效应。"
        "C 统计量：任取一例死亡与一例存活，模型给前者更高风险的概率；0.5 为无区分力。"
        "表观：在拟合所用的数据上计算，用于新数据会略低。"
    )
    blocks.append(table(rows, columns, id="risk-model", caption="风险模型", note=note))
    blocks += [
        Note(text=f"{results.periods[r.period]}：{r.warnings}。", tone="warning") for r in rows_of(models) if r.warnings
    ]
    fits = results.calibration
    fits = fits[(fits["basis"] == "contemporaneous") & (fits["period"] == results.last_period)]
    blocks.append(_calibration(fits))
    return Blocks(*blocks)


def _calibration(fits: pd.DataFrame) -> Table:
    rows = fits.assign(
        risk=[
            f"{rounded(a, 2, 100)}%–{rounded(b, 2, 100)}%" for a, b in zip(fits["lowest"], fits["highest"], strict=True)
        ],
        ratio=fits["observed"] / fits["expected"].where(fits["expected"] > 0),
    )
    columns = [
        Column(name="group", label="风险由低到高", format=count),
        Column(name="risk", label="预测死亡概率", format=text, align="right"),
        Column(name="n", label="病例", format=count),
        Column(name="observed", label="死亡", format=count),
        Column(name="expected", label="期望死亡", format=decimal(1)),
        Column(name="ratio", label="O/E", format=decimal(2)),
    ]
    return table(rows, columns, id="calibration", caption="校准：按预测风险十等分的死亡与期望死亡")


def funnels(results: Results) -> Blocks:
    """Per specialty: how many units are outside, then the funnel of risk-adjusted O/E in the last period."""
    found = results.funnels[(results.funnels["indicator"] == OE) & (results.funnels["period"] == results.last_period)]
    blocks: list[Block] = chapter(f"各专科漏斗图：{OE_ZH}", CHANCE)
    if found.empty:
        return Blocks(*blocks, Note(text=NOT_HERE))
    order = [s.id for s in results.params.specialties if s.id in set(found["specialty"])]
    trim, rows = results.params.monitoring.overdispersion, []
    for specialty in order:
        part = found[found["specialty"] == specialty]
        far = part[part["position_od"].isin([Position.HIGH_998, Position.LOW_998])]
        names = [f"{results.hospital_name(r.hospital)}（{_WAY[Position(r.position_od)]}）" for r in rows_of(far)]
        rows.append(
            {
                "specialty": results.specialty_name(specialty),
                "units": int(part["units"].max()),
                "observed": int(part["observed"].sum()),
                "expected": float(part["exposure"].sum()),
                "phi": part[f"phi_{trim}"].iloc[0],
                "tau2": part[f"tau2_{trim}"].iloc[0],
                "near": int(part["position_od"].isin([Position.HIGH_95, Position.LOW_95]).sum()),
                "far": "、".join(names) or "无",
            }
        )
    columns = [
        Column(name="specialty", label="专科", format=text),
        Column(name="units", label="单元数", format=count),
        Column(name="observed", label="死亡", format=count),
        Column(name="expected", label="期望死亡", format=decimal(1)),
        Column(name="phi", label="φ", format=decimal(2)),
        Column(name="tau2", label="τ²", format=decimal(3)),
        Column(name="near", label="只在 95% 限外", format=count),
        Column(name="far", label="99.8% 限外", format=text),
    ]
    note = (
        f"界限含单元间差异（{_TRIM_ZH[trim]}）。φ：z 的均方，1 为只有机遇；τ²：单元间方差。"
        "同时看许多单元，95% 限外总会有几个：按 99.8% 限核实。"
    )
    blocks.append(
        table(pd.DataFrame(rows), columns, id="funnel-summary", caption="各专科界限之外的单元", note=note, wide=False)
    )
    blocks += [_funnel(results, specialty, OE, results.last_period) for specialty in order]
    return Blocks(*blocks)


_WAY = {Position.HIGH_998: "高", Position.LOW_998: "低"}
_TRIM_ZH = {"corrected": "两端截尾并校正", "winsorised": "两端截尾（CQC）", "truncated": "两端剔除（SHMI）"}


def _funnel(results: Results, specialty: str, indicator: str, period: str, hospital: str = "") -> Block:
    found = results.funnels
    rows = found[(found["specialty"] == specialty) & (found["indicator"] == indicator) & (found["period"] == period)]
    rows = rows.assign(
        label=[results.hospital_name(h) for h in rows["hospital"]], highlight=rows["hospital"] == hospital
    )
    one = CATALOGUE.get(indicator)
    name = f"{OE_ZH}" if one is None else label(indicator, results.currency)
    scale, places = (one.scale, one.decimals) if isinstance(one, Indicator) else (1.0, 2)
    return funnel_chart(
        rows,
        id=f"funnel-{indicator}-{specialty}"[:64].replace("_", "-").lower(),
        scale=scale,
        places=places,
        caption=f"{results.specialty_name(specialty)}：{OE_ZH if one is None else one.name_zh}，{results.periods[period]}",
        x_label="期望死亡" if one is None else "病例数",
        y_label=name,
        overdispersion=results.params.monitoring.overdispersion,
    )


# --- project -------------------------------------------------------------------------------------------------------------


def expected_deaths(results: Results, project: str = "") -> Blocks:
    """Observed and expected deaths of the unit, raw and shrunken, and its place in the funnel of its specialty."""
    unit = unit_of(results, project)
    found = results.expected[
        (results.expected["hospital"] == unit["hospital"]) & (results.expected["specialty"] == unit["specialty"])
    ]
    blocks: list[Block] = chapter("风险校正死亡", _risk_words(results))
    if found.empty:
        return Blocks(*blocks, Note(text=NOT_HERE))
    blocks.append(_oe_table(results, found))
    own = results.funnels[
        (results.funnels["hospital"] == unit["hospital"]) & (results.funnels["specialty"] == unit["specialty"])
    ]
    for indicator in (OE, "mid_low_risk_mortality"):
        here = own[(own["indicator"] == indicator) & (own["period"] == results.last_period)]
        if len(here) and not missing(here["z"].iloc[0]):
            blocks.append(_funnel(results, unit["specialty"], indicator, results.last_period, unit["hospital"]))
    blocks.append(Note(text=CHANCE))
    return Blocks(*blocks)


def _oe_table(results: Results, found: pd.DataFrame) -> Table:
    first = next(iter(results.periods))
    # on the frozen basis the first period says the same again
    shown = found[(found["basis"] == "contemporaneous") | (found["period"] != first)]
    order = {place: k for k, place in enumerate((p, b) for p in results.periods for b in ("contemporaneous", "frozen"))}
    at = [order[place] for place in zip(shown["period"], shown["basis"], strict=True)]
    shown = shown.assign(at=at).sort_values("at")
    rows = shown.assign(
        name=[
            results.periods[p] + ("" if b == "contemporaneous" else "，按建设前的风险")
            for p, b in zip(shown["period"], shown["basis"], strict=True)
        ],
        raw=[_ratio(*v) for v in zip(shown["ratio"], shown["low"], shown["high"], strict=True)],
        own=[MISSING if missing(v[0]) else _range(*v) for v in zip(shown["own_low"], shown["own_high"], strict=True)],
        mid=[_range(*v) for v in zip(shown["mid_low"], shown["mid_high"], strict=True)],
        pulled=[_ratio(*v) for v in zip(shown["shrunken"], shown["shrunken_low"], shown["shrunken_high"], strict=True)],
    )
    columns = [
        Column(name="name", label="时段", format=text),
        Column(name="n", label="病例", format=count),
        Column(name="observed", label="死亡", format=decimal(0)),
        Column(name="expected", label="期望死亡", format=decimal(1)),
        Column(name="raw", label="O/E（精确区间）", format=text, align="right"),
        Column(name="own", label="按各例风险的精确区间", format=text, align="right"),
        Column(name="mid", label="mid-P 区间", format=text, align="right"),
        Column(name="p_mid", label="mid-P p 值", format=p_value),
        Column(name="pulled", label="收缩 O/E", format=text, align="right"),
    ]
    said: dict[str, list[str]] = {}
    for row in rows_of(rows):
        for words in filter(None, row.warnings.split("；")):
            said.setdefault(words, []).append(row.name)
    note = (
        "O/E 的精确区间按 Poisson 分布；按各例风险的区间按每例自己的预测概率（Poisson–二项分布），一般更窄，且不会超过例数。"
        "收缩 O/E：按同专科各单元的差异向共同比值收缩，小单元收缩更多，会掩盖小单元的真问题，因此只与未收缩值并列。"
        + "".join(f"{'、'.join(names)}：{words}。" for words, names in said.items())
    )
    return table(rows, columns, id="oe", caption="死亡、期望死亡与 O/E", note=note, wide=True)


def _ratio(value: float, low: float, high: float) -> str:
    return MISSING if missing(value) else rounded(value, 2) + (f"（{_range(low, high)}）" if not missing(low) else "")


def _range(low: float, high: float) -> str:
    return MISSING if missing(low) or missing(high) else f"{rounded(low, 2)}–{rounded(high, 2)}"


def control_charts(results: Results, project: str = "") -> Blocks:
    """The unit's indices month by month (or quarter by quarter), and the CUSUM of its deaths."""
    unit = unit_of(results, project)
    own = results.charts[
        (results.charts["hospital"] == unit["hospital"]) & (results.charts["specialty"] == unit["specialty"])
    ]
    lead = "同一单元自身的波动有多大，变化从何时起超出这一波动。定基口径；建设周期起始重设界限。"
    blocks: list[Block] = chapter("逐月监测", lead)
    if own.empty:
        return Blocks(*blocks, nothing_here(results, "数据没有月份，或本单元没有可作图的月份，不作控制图。"))
    after = results.params.cycles.after.first if results.params.cycles else None
    for indicator, rows in own.groupby("indicator", sort=False):
        one = CATALOGUE[str(indicator)]
        blocks.append(
            xmr_chart(
                rows,
                id=f"xmr-{indicator}".replace("_", "-"),
                caption=f"{one.name_zh}：控制图",
                y_label=label(str(indicator), results.currency),
                after=after,
                shocks=shocks(results),
                places=2,
            )
        )
        blocks.append(Paragraph(text=_xmr_words(rows, one.name_zh, one.direction)))
    deaths = results.cusums[
        (results.cusums["hospital"] == unit["hospital"]) & (results.cusums["specialty"] == unit["specialty"])
    ]
    if len(deaths):
        blocks += _cusum(results, deaths)
    return Blocks(*blocks)


def _xmr_words(rows: pd.DataFrame, name: str, direction: Direction) -> str:
    last = rows[rows["phase"] == rows["phase"].iloc[-1]]
    found = last.assign(signal=read_as(last)).query("signal != ''")
    said = "、".join(
        f"{Signal(signal).zh} {len(part)} 点（"
        + "，".join(f"{RULES_ZH[str(rule)]} {n}" for rule, n in part["rule"].value_counts().items())
        + "）"
        for signal, part in found.groupby("signal", sort=False)
    )
    words = f"{name}：最近一个阶段 {len(last)} 个点，{said or '没有超出平常波动的点'}。"
    if last["against_trend"].any():
        words += "在持续升降的一段中超出另一侧界限的点，只列为异常，不读作变好或变差。"
    if assured := rows["assurance"].iloc[0]:
        meaning = {
            Assurance.MEETS: "按目前的波动可以稳定达到目标",
            Assurance.MISSES: "不改变过程就不会达到目标",
            Assurance.VARIES: "达到与否随波动而定",
        }
        meets = Assurance(assured)
        words += f"对目标值（{rounded(rows['target'].iloc[0], 2)}，{direction.value}）：{meets.zh}，{meaning[meets]}。"
    warnings = [w for w in rows["warnings"].unique() if w]
    return words + "".join(f"{w}。" for w in warnings)


def _cusum(results: Results, deaths: pd.DataFrame) -> list[Block]:
    worse = deaths[deaths["direction"] == "worse"].iloc[0]
    alarm = (
        ""
        if missing(worse["false_alarm"])
        else (
            f"死亡优势无变化时，平均 {rounded(worse['run_length'], 0)} 个月误报一次，"
            f"图中月份内误报的概率为 {rounded(worse['false_alarm'], 0, 100)}%。"
        )
    )
    note = (
        "上方实线查变差，下方虚线查变好；得分为当月各例对数似然比之和，按月累积，低于 0 归 0。期望死亡按建设前的风险模型。"
        + alarm
        + "".join(f"{w}。" for w in sorted(set(deaths["warnings"])) if w)
    )
    return [
        cusum_chart(
            deaths, id="cusum", caption=f"死亡的风险校正 CUSUM，{results.periods[results.last_period]}", note=note
        )
    ]


def could_show(results: Results, project: str = "") -> Blocks:
    """The smallest change that the cases could show."""
    unit = unit_of(results, project)
    if not results.params.cycles:
        return Blocks()
    keys = {"hospital": unit["hospital"], "specialty": unit["specialty"]}
    power = f"{rounded(results.params.monitoring.power, 0, 100)}%"
    blocks: list[Block] = chapter("把握度：例数能显示多大的变化")
    least = _of_unit(results.power, keys, results.params.change.primary)
    if least.empty:
        why = f"本单元有周期不足 {results.params.minimum_unit_cases} 例，不作比较。"
        return Blocks(*blocks, nothing_here(results, why, "warning"))
    blocks.append(Paragraph(text=_power_words(results, least["method"].iloc[0]).format(power=power)))
    blocks.append(_power_table(results, least))
    weak = [CATALOGUE[r.indicator].name_zh for r in rows_of(least) if not r.sufficient]
    if weak:
        blocks.append(
            Note(
                text=f"{'、'.join(weak)}：以现有例数和单元自行的波动，显示不了最小有意义变化，“不能判定”不等于没有变化。",
                tone="warning",
            )
        )
    return Blocks(*blocks)


def _power_words(results: Results, method: str) -> str:
    """What the table of power speaks of: the method that judges, or the plain ratio."""
    if method == ALWAYS_RUN:
        return POWER
    return JUDGED_POWER.replace("{method}", methods_of(results.params.change)[method].name_zh)


def _of_unit(frame: pd.DataFrame, keys: dict[str, str], primary: list[str]) -> pd.DataFrame:
    found = frame[
        (frame["hospital"] == keys["hospital"])
        & (frame["specialty"] == keys["specialty"])
        & frame["indicator"].isin(primary)
    ]
    return found.sort_values("indicator", key=lambda s: s.map({i: k for k, i in enumerate(primary)}))


def _power_table(results: Results, least: pd.DataFrame) -> Table:
    margin = results.params.change.minimum_important
    rows = least.assign(
        label=[label(i, results.currency) for i in least["indicator"]],
        direction=[CATALOGUE[i].direction.value for i in least["indicator"]],
        fall=[MISSING if missing(v) else f"降 {rounded(1 - v, 1, 100)}%" for v in least["smallest_fall"]],
        rise=[MISSING if missing(v) else f"升 {rounded(v - 1, 1, 100)}%" for v in least["smallest_rise"]],
        enough=["够" if s else "不够" for s in least["sufficient"]],
    )
    columns = [
        Column(name="label", label="指标", format=text),
        Column(name="n_before", label="例数（前）", format=count),
        Column(name="n_after", label="例数（后）", format=count),
        Column(name="fall", label="可检出的最小下降", format=text, align="right"),
        Column(name="rise", label="可检出的最小上升", format=text, align="right"),
        Column(name="direction", label="方向", format=text),
        Column(name="enough", label=f"显示 {rounded(margin, 0, 100)}% 的改善", format=text),
    ]
    note = "— 表示即使降到接近 0（或升到很高）也不能显示，或没有事件可算。"
    return table(rows, columns, id="power", caption="例数能够显示的最小变化", note=note, wide=False)


__all__ = ["control_charts", "could_show", "expected_deaths", "funnels", "risk_model"]
