"""A method of change that a researcher declares in the parameters: a formula over yearly cells, fitted by statsmodels.

    change:
      formulas:
        - id: own_trend
          title: 各自线性趋势
          formula: "log_value ~ project + C(unit) + C(year):C(group)"
          family: gaussian
          weights: n
          cluster: hospital

The estimate is exp of the coefficient of `term`: a ratio. So the response is `log_value` with the gaussian family, or the
numerator `x` with a family of counts, whose offset is ln y; anything else has no ratio to give and is refused. One row a
unit and year: funded units, and eligible ones without a project.

All projects together: errors clustered by `cluster`, t with G − 1. One project by itself: the others are left out and the
error is that of the residuals' scatter, for one treated cluster bears no clustered error; correlation between the years of a
unit is not in it, which is said.

References
----------
statsmodels: Seabold, Perktold (2010). One treated cluster: MacKinnon, Webb (2017), doi:10.1002/jae.2508.
"""

from __future__ import annotations

import io
import tokenize
from warnings import catch_warnings, simplefilter

import numpy as np
import pandas as pd
import scipy  # its parts load when first used: reports read tables and need none

from toolkit.documents import Document
from toolkit.errors import ParameterError, did_you_mean
from toolkit.indicators import Distribution
from toolkit.models.change.base import Findings, Study, completed, joined, nothing
from toolkit.models.change.method import Method
from toolkit.models.change.panel import Panel, own_warning, panels
from toolkit.models.inference import CLOSE, MOST_STEPS, TOO_FEW_CLUSTERS, limits
from toolkit.params import Family, FormulaMethod

COLUMNS: dict[str, str] = {
    "log_value": "指标值的自然对数",
    "value": "指标值（分子与分母之比，未乘单位换算）",
    "x": "分子合计",
    "y": "分母合计",
    "n": "例数",
    "year": "年份",
    "time": "距建设周期第一年的年数",
    "after": "是否建设周期内（0/1）",
    "funded": "是否立项单元（0/1）",
    "project": "是否立项单元且已开始建设（0/1）",
    "hospital": "医疗机构",
    "specialty": "专科",
    "level_group": "级别组",
    "unit": "单元（机构与专科）",
    "group": "专科与级别组",
}
MATHS = {"log": np.log, "exp": np.exp}
FUNCTIONS = ("C", *MATHS)  # C: as categories
SIGNS = frozenset("~+-*:/()")
COUNTS = (Family.POISSON, Family.QUASI_POISSON)
ONE_CLUSTER = "单个项目按残差离散给误差，同一单元各年之间的相关未计入"
NOT_IDENTIFIED = "公式中的其他项已能完全解释所求的项（完全共线），没有估计"
NOT_CONVERGED = "公式的拟合未收敛，没有估计"
NOT_RARE = "罕见事件是计数，该公式取对数，不适用"
NOT_COUNTED = "该公式用于计数，本指标不是计数"
FARTHEST = float(np.log(1e6))  # of a log ratio; without an event on one side the best one has no end
LEAST_LEFT = 1e-9  # share of a column's variation that others must leave for it to be identified


def method_of(declared: FormulaMethod) -> Method:
    """The method that the parameters declare.

    Raises
    ------
    ParameterError
        The formula names something that is not there, holds more than names, numbers and + - * : / ( ), or has no ratio to
        give. Nothing of a formula is run before it is known to be one.
    """
    checked(declared)
    return Method(
        id=declared.id,
        name_zh=declared.title,
        estimand=f"公式 {declared.formula} 中 {declared.term} 的系数取指数；{declared.family.zh}",
        estimate=lambda cells, study: _estimate(cells, study, declared),
    )


def checked(declared: FormulaMethod) -> None:
    """Refuse what is no formula over the columns above."""
    where = f"change.formulas.{declared.id}"
    response = declared.formula.split("~")[0].strip()
    wanted = "x" if declared.family in COUNTS else "log_value"
    if declared.formula.count("~") != 1 or response != wanted:
        raise ParameterError(
            f"公式给不出比值: {declared.family.value} 的左边应为 {wanted}",
            "the formula has no ratio to give",
            where=where,
            remedy=f"写成 {wanted} ~ {declared.term} + …；计数用 poisson 或 quasi-poisson，其余用 gaussian",
            remedy_english=f"write {wanted} ~ …",
        )
    if declared.weights and declared.family in COUNTS:
        raise ParameterError(
            "计数的公式不再加权：分母已是偏移",
            "counts take no weights: the denominator is the offset",
            where=where,
            remedy="去掉 weights",
            remedy_english="leave weights out",
        )
    names = []
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(declared.formula).readline))
    except (tokenize.TokenError, SyntaxError, IndentationError):
        tokens = []
    for token in tokens:
        if token.type == tokenize.NAME:
            names.append(token.string)
        elif (token.type == tokenize.OP and token.string in SIGNS) or token.type == tokenize.NUMBER:
            continue
        elif token.type not in (tokenize.NEWLINE, tokenize.NL, tokenize.ENDMARKER):
            raise ParameterError(
                f"公式中不能有 {token.string}",
                "a formula holds names, numbers and + - * : / ( ) only",
                where=where,
                remedy=f"可用的函数: {'、'.join(FUNCTIONS)}",
                remedy_english="see the functions listed",
            )
    known = (*COLUMNS, *FUNCTIONS)
    for name in [*names, declared.term, *([declared.weights] if declared.weights else []), declared.cluster]:
        if name not in known:
            raise ParameterError(
                f"公式用到的 {name} 不存在",
                "the formula names a column that is not there",
                where=where,
                **did_you_mean(name, known, f"可用的列: {'、'.join(COLUMNS)}", "one of the columns listed"),
            )
    _parsed(declared, where)


def _parsed(declared: FormulaMethod, where: str) -> None:
    """Refuse a formula that does not parse, or whose right side lacks the term that is asked for."""
    from patsy import ModelDesc, PatsyError

    try:
        terms = [term.name() for term in ModelDesc.from_formula(declared.formula).rhs_termlist]
    except PatsyError:
        terms = None
    if terms is None:
        raise ParameterError(
            "公式无法解析",
            "the formula cannot be parsed",
            where=where,
            remedy="检查括号和运算符",
            remedy_english="check brackets and signs",
        )
    if declared.term not in terms:
        raise ParameterError(
            f"公式右边没有 {declared.term}",
            "the term asked for is not in the formula",
            where=where,
            remedy=f"在公式中加入 {declared.term}，或改 term",
            remedy_english="add it, or name another term",
        )


def rows_of(panel: Panel, study: Study) -> pd.DataFrame:
    """One row a unit and year with the columns that formulas may name; units that take part, years with cases."""
    units, years = study.units, study.years
    start = units["start"].to_numpy()
    part = np.flatnonzero((start > 0) | units["eligible"].to_numpy(bool))
    unit, at = (a.ravel() for a in np.meshgrid(part, np.arange(len(years)), indexing="ij"))
    x, y, n = (getattr(panel, name)[unit, at] for name in ("x", "y", "n"))
    year = years[at]
    begun = np.where(start[unit] > 0, start[unit], study.after.first)
    with np.errstate(all="ignore"):
        value = x / y
        log_value = np.where(x > 0, np.log(value), np.nan)
    names = {name: units[name].astype(str).to_numpy()[unit] for name in ("hospital", "specialty", "level_group")}
    frame = pd.DataFrame(
        {
            "at": unit,
            "log_value": log_value,
            "value": value,
            "x": x,
            "y": y,
            "n": n,
            "year": year,
            "time": year - study.after.first,
            "after": (year >= begun).astype(float),
            "funded": (start[unit] > 0).astype(float),
            "project": ((start[unit] > 0) & (year >= begun)).astype(float),
            **names,
        }
    )
    frame["unit"] = frame["hospital"] + "·" + frame["specialty"]
    frame["group"] = frame["specialty"] + "·" + frame["level_group"]
    return frame[frame["y"] > 0].reset_index(drop=True)


def _estimate(cells: pd.DataFrame, study: Study, declared: FormulaMethod) -> Findings:
    parts = []
    counts, start = declared.family in COUNTS, study.units["start"].to_numpy()
    for panel in panels(cells, study).values():
        rare = study.distribution(panel.indicator) is Distribution.RARE
        wrong = NOT_RARE if rare and not counts else NOT_COUNTED if counts and not rare else ""
        frame = rows_of(panel, study)
        if not counts:
            frame = frame[np.isfinite(frame["log_value"])].reset_index(drop=True)
        fits = _Fits(frame, declared) if not wrong and len(frame) else None
        before = study.years < study.after.first
        for one in (None, *np.flatnonzero(start > 0)):
            sides = panel.n[start > 0] if one is None else panel.n[[one]]
            row: Document = {
                "level": "region" if one is None else "unit",
                "hospital": "" if one is None else study.names[one][0],
                "specialty": "" if one is None else study.names[one][1],
                "indicator": panel.indicator,
                "method": declared.id,
                "n_before": sides[:, before].sum(),
                "n_after": sides[:, ~before].sum(),
            }
            found = fits.of(one, study.confidence) if fits else {"warnings": wrong or "没有可用的年度值"}
            if one is not None:
                own = own_warning(panel.over(before), panel.over(~before), int(one))
                found["warnings"] = joined(own, found["warnings"])
            parts.append(row | found)
    return Findings(changes=completed(pd.DataFrame(parts)) if parts else nothing())


class _Fits:
    """Fits of one formula on one indicator: the columns are made once, a project by itself takes its rows of them."""

    def __init__(self, frame: pd.DataFrame, declared: FormulaMethod) -> None:
        from patsy import EvalEnvironment, dmatrix

        self.frame, self.declared = frame, declared
        right = declared.formula.split("~")[1]
        # nothing but these functions and patsy's C is within reach of a formula
        made = dmatrix(right, frame, eval_env=EvalEnvironment([MATHS]), NA_action="raise", return_type="dataframe")
        self.columns, self.place = made.to_numpy(), list(made.columns).index(declared.term)

    def of(self, project: int | None, confidence: float) -> Document:
        """The estimate of all projects together, or of one; or why there is none."""
        frame, declared = self.frame, self.declared
        rows = ((frame["funded"] == 0) | (frame["at"] == project)).to_numpy() if project is not None else slice(None)
        part, x = frame[rows], self.columns[rows]
        x = _independent(x, self.place)
        if x is None:
            return {"warnings": NOT_IDENTIFIED}
        clusters = part[declared.cluster].nunique()
        fit = self._fit(part, x, None if project is not None else part[declared.cluster])
        if fit is None:
            return {"warnings": NOT_CONVERGED}
        beta, error, left = fit[0][0], fit[1][0], fit[2]
        df = left if project is not None else max(clusters - 1, 1)
        enough = df > 0 and (project is not None or clusters >= TOO_FEW_CLUSTERS)
        low, high, p = limits(beta, error if enough else np.nan, max(df, 1), confidence)
        words = (
            f"残差离散误差，t 分布自由度 {df}"
            if project is not None
            else f"按 {clusters} 个聚类的误差，t 分布自由度 {df}"
        )
        return {
            "estimate": np.exp(beta),
            "low": np.exp(low),
            "high": np.exp(high),
            "p_value": p,
            "std_error": error if enough else np.nan,
            "n_clusters": clusters,
            "n_comparison": part.loc[part["funded"] == 0, "unit"].nunique(),
            "inference": f"statsmodels，{declared.family.zh}，{words}",
            "warnings": joined(
                ONE_CLUSTER if project is not None else "",
                "" if enough or project is not None else f"聚类少于 {TOO_FEW_CLUSTERS} 个，不给区间和 p 值",
            ),
        }

    def _fit(
        self, part: pd.DataFrame, x: np.ndarray, cluster: pd.Series | None
    ) -> tuple[np.ndarray, np.ndarray, int] | None:
        """Coefficients, their errors, residual degrees of freedom; None where the fit does not converge."""
        from statsmodels.genmod.families import Poisson
        from statsmodels.genmod.generalized_linear_model import GLM
        from statsmodels.regression.linear_model import WLS
        from statsmodels.tools.sm_exceptions import ConvergenceWarning, DomainWarning, PerfectSeparationWarning

        counts = self.declared.family in COUNTS
        kind: Document = {"cov_type": "nonrobust"}
        if cluster is not None:
            kind = {"cov_type": "cluster", "cov_kwds": {"groups": pd.factorize(cluster)[0]}}
        with catch_warnings():
            for one in (ConvergenceWarning, DomainWarning, PerfectSeparationWarning, RuntimeWarning):
                simplefilter("error", one)
            try:
                if counts:
                    offset = np.log(part["y"].to_numpy())
                    scale = "X2" if self.declared.family is Family.QUASI_POISSON else 1.0
                    fit = GLM(part["x"].to_numpy(), x, family=Poisson(), offset=offset).fit(
                        scale=scale, maxiter=MOST_STEPS, tol=CLOSE, tol_criterion="params", **kind
                    )
                else:
                    weight = part[self.declared.weights].to_numpy(float) if self.declared.weights else 1.0
                    fit = WLS(part["log_value"].to_numpy(), x, weights=weight).fit(**kind)
                if not abs(fit.params[0]) < FARTHEST:  # ran away, though its steps became small
                    return None
                return np.asarray(fit.params), np.asarray(fit.bse), int(fit.df_resid)
            except (Warning, np.linalg.LinAlgError, ValueError, FloatingPointError):
                return None


def _independent(x: np.ndarray, place: int) -> np.ndarray | None:
    """The column at `place` first, then those of the others that cannot be made of others; None where it can be made of them."""
    others = np.delete(x, place, axis=1)
    norms = np.linalg.norm(others, axis=0)
    others = others[:, norms > 0] / norms[norms > 0]
    _q, r, order = scipy.linalg.qr(others, mode="economic", pivoting=True)
    size = np.abs(np.diag(r))
    others = others[:, np.sort(order[: len(size)][size > LEAST_LEFT * size.max(initial=0)])]
    one = x[:, place]
    rest = one - others @ np.linalg.lstsq(others, one, rcond=None)[0]
    return np.column_stack([one, others]) if rest @ rest > LEAST_LEFT * (one @ one) > 0 else None
