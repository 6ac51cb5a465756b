"""Tables of sums over the accepted discharges: the cube and the volumes by month."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.cube import BASES
from toolkit.data.discharge.measures import MEASURES, Measure
from toolkit.declared import Col, TableDecl
from toolkit.evaluation.tables.common import BASIS, HOSPITAL, YEAR, N


def _of(measure: Measure) -> Iterator[Col]:
    """The columns of a measure, on each basis where it is trimmed."""
    optional, only = measure.for_weights is not None, "仅当权重来源需要时" if measure.for_weights else ""
    for column in [f"{measure.id}@{basis}" for basis in BASES] if measure.trimmed else [measure.id]:
        name, at, basis = column.partition("@")
        kind = float if measure.product else int
        said = measure.name_zh + (f"，{dict(BASIS.words)[basis]}" if basis else "")
        yield Col(column, kind, said, meaning=only or "合计", optional=optional)
        yield Col(f"{name}_n{at}{basis}", int, f"{said}：已知例数", "例", only, optional=optional)
        if measure.moments == 2:
            yield Col(f"{name}_sq{at}{basis}", float, f"{said}：平方和", meaning=only, optional=optional)


CUBE = TableDecl(
    name="cube",
    zh="汇总立方",
    one_row="a hospital, specialty, year and DRG of the accepted discharges",
    one_row_zh="纳入病例的一家机构、专科、年份与 DRG",
    key=("hospital", "specialty", "year", "drg"),
    columns=(
        HOSPITAL,
        Col("specialty", str, "专科", meaning="空为不属于任何专科"),
        YEAR,
        Col("drg", str, "DRG", meaning="空为未入组"),
        N,
        *(column for measure in MEASURES for column in _of(measure)),
    ),
    stage="cube",
    release="cube",
)
MONTHLY = TableDecl(
    name="monthly",
    zh="各月例数",
    one_row="a hospital and month of discharge",
    one_row_zh="一家机构与一个出院月份",
    key=("hospital", "year", "month"),
    columns=(HOSPITAL, YEAR, Col("month", int, "月"), N),
    stage="sums",
    release="monthly",
    crate=True,
)

SUMS: tuple[TableDecl, ...] = (CUBE, MONTHLY)
