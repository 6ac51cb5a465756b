"""What people answer in the example cycle, made by a seed (合成数据): applications, evidence, ratings, findings at the sites."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from toolkit.data.accounts.spreadsheet import Workbook
from toolkit.frames import names_of
from toolkit.programme import evidence, score_sheets, spot_check
from toolkit.programme.tables import NO, YES, read_values

DISEASES = 8
Answer = Callable[[dict[str, str]], dict[str, object]]
LATE, ELSEWHERE, INCOMPLETE = 0.06, 0.06, 0.04  # shares of applications with such a fault
WRONG_FIELD = 0.006  # share of fields that do not agree with the chart
REFUTED = 0.15  # share of sites whose material is refuted


def applications(units: pd.DataFrame, hospitals: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    """The list of applicants: every unit applies, a few with a fault.

    Parameters
    ----------
    units
        `applicant, hospital, specialty, county, tier, track, level_group, cases`.
    hospitals
        `code, level, tier` of the registry.
    """
    size = len(units)
    days = pd.Timestamp("2022-01-04") + pd.to_timedelta(generator.integers(0, 80, size), unit="D")
    late = generator.random(size) < LATE
    shown = np.where(late, "2022-04-08", days.strftime("%Y-%m-%d"))
    # half of the city's hospitals lie in the main urban area
    city = sorted(hospitals.loc[hospitals["tier"] == "市", "code"])
    main = city[: (len(city) + 1) // 2]
    return units.assign(
        hospital_level=units["hospital"].map(hospitals.set_index("code")["level"]).astype(str),
        urban=np.where(units["hospital"].isin(main), YES, NO),
        applied_elsewhere=np.where(generator.random(size) < ELSEWHERE, YES, NO),
        disease=[f"病种{k:02d}" for k in 1 + np.minimum(generator.geometric(0.3, size) - 1, DISEASES - 1)],
        plan_complete=np.where(generator.random(size) < INCOMPLETE, NO, YES),
        applied_on=shown,
    )


def diseases(generator: np.random.Generator) -> pd.DataFrame:
    """Diseases of the region with incidence and referral outwards, per 100,000 and per cent."""
    number = np.arange(1, DISEASES + 1)
    return pd.DataFrame(
        {
            "disease": [f"病种{k:02d}" for k in number],
            "incidence_rate": np.round(400 / number + generator.uniform(0, 20, DISEASES), 1).astype(str),
            "outward_rate": np.round(generator.uniform(2, 30, DISEASES), 1).astype(str),
        }
    )


def experts(hospitals: pd.DataFrame, number: int) -> pd.DataFrame:
    """A panel: some work at hospitals that apply, the rest elsewhere."""
    codes = sorted(hospitals["code"].astype(str))
    homes = [codes[k] if k < min(3, len(codes)) else f"外地{k:02d}" for k in range(number)]
    return pd.DataFrame({"expert": [f"专家{k:02d}" for k in range(1, number + 1)], "hospital": homes})


def filled(template: Path, path: Path, sheet: str, answer: Answer) -> Path:
    """A workbook with the answers to every row of one sheet, all else as it was."""
    frames = {}
    for name in _sheets_of(sheet):
        frame = read_values(template, name)
        if name == sheet:
            rows = [answer({str(k): str(v) for k, v in row.items()}) for row in frame.to_dict("records")]
            for column in dict.fromkeys(c for row in rows for c in row):
                frame[column] = [str(row.get(column, "")) for row in rows]
        frames[name] = frame
    with Workbook(path) as book:
        for name, frame in frames.items():
            book.sheet(name, names_of(frame), [16] * len(frame.columns))
            for cells in frame.to_numpy(object):
                book.row([cell or None for cell in cells])
    return path


def _sheets_of(sheet: str) -> Sequence[str]:
    for names in (
        (evidence.ABOUT, evidence.ITEMS, evidence.PLAN),
        (score_sheets.ABOUT, score_sheets.SCORES),
        (spot_check.PROJECTS, spot_check.RECORDS),
    ):
        if sheet in names:
            return names
    return (sheet,)


def of_evidence(strength: float, generator: np.random.Generator) -> Answer:
    """Evidence of an applicant of this strength (0–1); now and then an item is not given."""

    def answer(row: dict[str, str]) -> dict[str, object]:
        if generator.random() < 0.03:
            return {}
        share = float(np.clip(strength + generator.normal(0, 0.1), 0, 1))
        value = round(10 * share, 1) if "–" in row["取值"] else int(generator.poisson(6 * strength))
        return {"数值": value, "佐证文件": f"{row['指标']}材料.pdf", "页码或文号": "1"}

    return answer


def of_plan(values: dict[str, float], lower: set[str]) -> Answer:
    """Targets: 1, 2 and 3 per cent better than the baseline a year."""

    def answer(row: dict[str, str]) -> dict[str, object]:
        base = values.get(row["编号"], float("nan"))
        if base != base:
            return {}
        better = [base * (1 - 0.01 * k if row["编号"] in lower else 1 + 0.01 * k) for k in (1, 2, 3)]
        columns = (*evidence.PLAN_COLUMNS[3:4], *evidence.TARGETS)
        return dict(zip(columns, (f"{v:.6g}" for v in (base, *better)), strict=True))

    return answer


def of_ratings(strength: dict[str, float], severity: float, generator: np.random.Generator) -> Answer:
    """Ratings of one expert: what the project is worth, the expert's severity, and chance."""

    def answer(row: dict[str, str]) -> dict[str, object]:
        value = 10 * strength[row["项目代号"]] + severity + generator.normal(0, 0.6)
        return {"分值": round(float(np.clip(value, 0, 10)), 1)}

    return answer


def of_site(generator: np.random.Generator) -> Answer:
    """The visitors' conclusion on a project."""

    def answer(row: dict[str, str]) -> dict[str, object]:
        refuted = generator.random() < REFUTED
        return {spot_check.CONCLUSION: spot_check.REFUTED if refuted else spot_check.CONFIRMED}

    return answer


def of_records(generator: np.random.Generator) -> Answer:
    """Whether each field of a record agrees with the chart."""

    def answer(row: dict[str, str]) -> dict[str, object]:
        return {c: NO if generator.random() < WRONG_FIELD else YES for c in spot_check.CHECKED}

    return answer
