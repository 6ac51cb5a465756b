"""The way from a folder of files as hospitals send them to what became of each. All data are 合成数据."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from toolkit.data.quality.base import Fate
from toolkit.params import RunParams
from toolkit.runs import pipeline

HERE = Path(__file__).parent
DAYS = {"before": {"first": 2019, "last": 2021}, "after": {"first": 2022, "last": 2024}}
SPECIALTIES = [
    {"id": "cardiology", "name_zh": "心内", "departments": ["03.04"]},
    {"id": "surgery", "name_zh": "普外", "departments": ["04.01"], "surgical": True},
]


def params(
    *files: Path | str, format: str = "front-page", data: dict[str, Any] | None = None, **more: Any
) -> RunParams:
    """Parameters over these files; `data` and the rest are added to them."""
    return RunParams.model_validate(
        {
            "run": "door",
            "title": "合成数据",
            "data": {"format": format, "files": [str(file) for file in files], **(data or {})},
            "cycles": DAYS,
            "specialties": SPECIALTIES,
            **more,
        }
    )


class Door:
    """What `check` says of a folder."""

    def __init__(self, checked: pipeline.Checked, work: Path) -> None:
        self.intake = checked.intake
        self.files = checked.intake.files.set_index("name")
        self.accounts = checked.intake.accounts
        # the stage's folder has got its name since
        self.fates = pd.read_parquet(next(work.rglob(checked.intake.fates.name)))
        store = next(work.rglob(checked.intake.store.name))
        self.store = pd.concat([pd.read_parquet(p) for p in sorted(store.glob("*.parquet"))])

    @property
    def received(self) -> int:
        return int(self.accounts["n"].sum())

    def hit(self, rule: str) -> int:
        """Records that a rule hit, whatever became of them."""
        return int(self.accounts.loc[self.accounts["rules"].str.contains(f"|{rule}|", regex=False), "n"].sum())

    def fate(self, fate: Fate | str) -> int:
        return int(self.accounts.loc[self.accounts["fate"] == str(getattr(fate, "value", fate)), "n"].sum())

    def said(self) -> str:
        """All that is told of the files, in words."""
        return (
            self.files.reset_index().to_csv() + self.intake.hospital_warnings.to_csv() + str(self.intake.not_applicable)
        )


@contextmanager
def checked(*files: Path | str, **more: Any) -> Iterator[Door]:
    """`check` over files, as the command does it."""
    with TemporaryDirectory() as work:
        yield Door(pipeline.check(params(*files, **more), Path(work)), Path(work))


def case(name: str) -> Path:
    """The folder of a case, by the number it begins with."""
    [folder] = HERE.glob(f"{name}-*")
    return folder
