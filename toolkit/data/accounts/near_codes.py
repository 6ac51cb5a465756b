"""规则K10: codes that differ only in zeros or signs (1 and 0001, 3.04 and 03.04), named together and never taken for one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from ibis import _

from toolkit.data.discharge.schema import BY_NAME
from toolkit.data.quality.given import Given
from toolkit.engine.types import Table
from toolkit.params import RunParams

CODE = r"^(?=[^0-9]*[0-9])[0-9A-Z._-]{1,24}$"  # what may be shown: a code, and no number of a person
PERSONAL = r"\d{11,}"
SHOWN = 5


def near_codes(typed: Table, given: Given, params: RunParams) -> dict[int, list[str]]:
    """File -> what is to be said of its hospital and department codes, beside those of the other files and of the lists."""
    listed = {
        "reported_hospital": set() if given.hospitals is None else set(given.hospitals["code"]),
        "department": {code for one in params.specialties for code in one.departments},
    }
    said: dict[int, list[str]] = defaultdict(list)
    for column, known in listed.items():
        if column not in typed.columns:
            continue
        found = typed.filter(_[column].notnull()).select("file", column).distinct().execute()
        found = found[np.array([_may_be_shown(code) for code in found[column]], bool)]
        title = BY_NAME["hospital" if column == "reported_hospital" else column].name_zh
        for pair in _pairs({*found[column], *known}):
            files = sorted(set(found.loc[found[column].isin(pair), "file"]))
            for file in files:
                said[int(file)].append(f"{title} {'、'.join(pair)}")
    return {
        file: [
            f"规则K10：{'；'.join(pairs[:SHOWN])}{'等' * (len(pairs) > SHOWN)} 只差前导 0 或符号，疑为同一编码，按不同编码处理"
        ]
        for file, pairs in said.items()
    }


def _may_be_shown(code: str) -> bool:
    return re.match(CODE, code) is not None and re.search(PERSONAL, code) is None


def _pairs(codes: Iterable[str]) -> list[list[str]]:
    alike: dict[str, set[str]] = defaultdict(set)
    for code in codes:
        alike[".".join(part.lstrip("0") for part in re.split(r"[._-]", code))].add(code)
        alike["=" + re.sub(r"[._-]", "", code)].add(code)
    return sorted({tuple(sorted(group)): sorted(group) for group in alike.values() if len(group) > 1}.values())
