"""The index page of a run: all its reports with search, filters and sorting, one file that opens from a folder.

The only page with script. The table is written here as escaped HTML and complete without script, which then enhances it; a
library of tables would weigh twenty times the page. Content goes through the template's escaping, and the page's policy
runs no script but its own, so that a hospital's name stays text.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

import pandas as pd

from toolkit.errors import ContractBroken
from toolkit.reporting.content.blocks import printable
from toolkit.reporting.content.tables import MISSING, Column, missing, text, written
from toolkit.reporting.content.templates import environment
from toolkit.reporting.formats.fonts import FONT
from toolkit.reporting.formats.provenance import SYNTHETIC_BANNER, Provenance

LEVELS = ("国家", "省", "市", "县")  # project levels from the top; the order in which they sort
FIXED = (
    Column(name="title", label="报告", format=text),
    Column(name="hospital", label="医疗机构", format=text),
    Column(name="specialty", label="专科", format=text),
    Column(name="level", label="级别", format=text),
)
FILTER_CHOICES = 60  # more than a person reads in a list; the search box serves there


@dataclass(frozen=True)
class _Cell:
    text: str
    order: str  # what the column sorts by; "" comes last in both directions
    href: str = ""
    files: tuple[tuple[str, str], ...] = ()  # the same in other formats: words and path


@dataclass(frozen=True)
class _Head:
    label: str
    align: str
    type: str  # a sort order of site.js: words or numbers
    choices: tuple[tuple[str, int], ...] = ()  # value and how many reports have it, for the filter


def index(
    reports: pd.DataFrame,
    *,
    provenance: Provenance,
    columns: Sequence[Column] = (),
    filters: Sequence[str] = ("specialty", "level"),
    failed: pd.DataFrame | None = None,
    links: Sequence[tuple[str, str]] = (),
) -> str:
    """The index page as one HTML document.

    Parameters
    ----------
    reports
        One row per finished report: `title`, `hospital`, `specialty`, `level`, `href` (path below the page's folder) and
        what `columns` names; optionally `files`, pairs of words and path for the same report in other formats, and
        `hospital_page`, the path of a page about the hospital or "". Any row order. An ordered categorical column sorts by its categories.
    columns
        Further columns after the fixed four, e.g. verdict and indicators, declared as for a table.
    filters
        Columns that get a drop-down list of their values.
    failed
        One row per report that did not come to its end: `title`, `reason`.
    links
        Pairs of label and path for the cards on top: region report, data quality report.

    Raises
    ------
    ContractBroken
        A column is absent, or a path is not a plain path below the page's folder.
    """
    shown = [*FIXED, *columns]
    if absent := [c for c in ("title", "hospital", "specialty", "level", "href", *filters) if c not in reports.columns]:
        raise ContractBroken(f"报告清单缺少列 {'、'.join(absent)}", f"the list of reports lacks columns {absent}")
    files = list(reports["files"]) if "files" in reports.columns else [()] * len(reports)
    about = list(reports["hospital_page"]) if "hospital_page" in reports.columns else [""] * len(reports)
    for path in [
        *filter(None, about),
        *reports["href"],
        *(path for _, path in links),
        *(path for row in files for _, path in row),
    ]:
        _require_local(str(path))
    heads, cells = [], []
    for column in shown:
        texts = [printable(t) for t in written(reports, column, where=f"index.{column.label}")]
        source = reports[column.name]
        orders, kind = _orders(source, texts, column)
        paths = {"title": list(reports["href"]), "hospital": about}.get(column.name, [""] * len(reports))
        others = files if column.name == "title" else [()] * len(reports)
        cells.append([_Cell(*cell) for cell in zip(texts, orders, paths, map(tuple, others), strict=True)])
        choices = _choices(texts, orders, kind) if column.name in filters else ()
        heads.append(_Head(column.label, column.align or column.format.align, kind, choices))
    rows = sorted(zip(*cells, strict=True), key=lambda row: (row[1].text, row[2].text, row[0].text))
    failures = [] if failed is None else list(failed[["title", "reason"]].itertuples(index=False, name=None))
    script = _own("site.js")
    return (
        environment()
        .get_template("site.html.jinja")
        .render(
            provenance=provenance,
            banner=SYNTHETIC_BANNER,
            heads=heads,
            rows=rows,
            failures=failures,
            links=links,
            counts=(
                ("报告", len(rows)),
                ("医疗机构", reports["hospital"].nunique()),
                ("专科", reports["specialty"].nunique()),
                ("未完成", len(failures)),
            ),
            script=script,
            font=FONT,
            script_hash=b64encode(sha256(script.encode("utf-8")).digest()).decode("ascii"),
        )
    )


def _own(name: str) -> str:
    return (files("toolkit.reporting.content") / "templates" / name).read_text(encoding="utf-8")


def _require_local(path: str) -> None:
    parts = path.split("/")
    if not re.fullmatch(r"[0-9A-Za-z_./-]+", path) or "" in parts or ".." in parts:
        raise ContractBroken(
            "报告路径须为本页所在文件夹之内的相对路径", "the path of a report must lie below the page's folder"
        )


def _orders(source: pd.Series, texts: list[str], column: Column) -> tuple[list[str], str]:
    """What each cell sorts by, and whether as `words` or as `numbers`."""
    if isinstance(source.dtype, pd.CategoricalDtype) and source.cat.ordered:
        return ["" if code < 0 else str(code) for code in source.cat.codes], "numbers"
    if column.name == "level" and all(t.startswith(LEVELS) for t in texts):
        return [next(str(i) for i, level in enumerate(LEVELS) if t.startswith(level)) for t in texts], "numbers"
    if column.format is not text and pd.api.types.is_numeric_dtype(source):
        # a status printed instead of a value must not sort by that value
        shown = [any(c.isdigit() for c in t) for t in texts]
        return [repr(float(v)) if s and not missing(v) else "" for s, v in zip(shown, source, strict=True)], "numbers"
    return [_arabic(t) if t != MISSING else "" for t in texts], "words"


_DIGITS = {c: i for i, c in enumerate("〇一二三四五六七八九")} | {"零": 0, "两": 2}


def _arabic(name: str) -> str:
    """`name` with Chinese ordinals (第十二) in digits, so that 第二 sorts before 第十."""
    return re.sub(r"(?<=第)[〇零一二三四五六七八九十百]{1,7}", lambda m: str(_number(m.group())), name)


def _number(numeral: str) -> int:
    total = digit = 0
    for c in numeral:
        if c in _DIGITS:
            digit = _DIGITS[c]
        else:
            total, digit = total + (digit or 1) * {"十": 10, "百": 100}[c], 0
    return total + digit


def _choices(texts: list[str], orders: list[str], kind: str) -> tuple[tuple[str, int], ...]:
    counted = Counter(texts)
    order_of = {value: order for value, order in reversed(list(zip(texts, orders, strict=True)))}  # the first counts
    if not 1 < len(counted) <= FILTER_CHOICES:
        return ()

    def place(value: str) -> tuple[bool, float, str]:
        order = order_of[value]
        return (order == "", float(order or 0) if kind == "numbers" else 0, value)

    return tuple((value, counted[value]) for value in sorted(counted, key=place))
