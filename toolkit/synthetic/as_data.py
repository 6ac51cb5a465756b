"""A generated region (合成数据) as the data of a run."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from toolkit import synthetic
from toolkit.params import DrgFile, Project, RunParams, Specialty
from toolkit.strict_yaml import Section
from toolkit.synthetic.lists import write_lists


class Brought(Section):
    """What a region says of itself, for a run that does not say otherwise. `lists`: `indicators.<name>` -> file name."""

    specialties: list[Specialty]
    projects: list[Project]
    price_index: dict[int, float]
    lists: dict[str, str]

    def filled_in(self, params: RunParams) -> RunParams:
        """`params` with what they leave open."""
        return params.model_copy(
            update={
                "specialties": params.specialties or self.specialties,
                "projects": params.projects or self.projects,
                "price_index": params.price_index or self.price_index,
            }
        )

    def named(self, params: RunParams) -> RunParams:
        """As `filled_in`, and the names of lists that have gone with the region's files."""
        given = {name: Path(file) for name, file in self.lists.items() if getattr(params.indicators, name) is None}
        filled = self.filled_in(params)
        return filled.model_copy(update={"indicators": params.indicators.model_copy(update=given)})


def with_synthetic(params: RunParams, folder: Path) -> RunParams:
    """`params` with a generated region as its files, registry, specialties, projects and price index (合成数据)."""
    as_files, brought = generated(params, folder)
    return brought.filled_in(as_files)


def generated(params: RunParams, folder: Path) -> tuple[RunParams, Brought]:
    """`params` with a generated region as its files, lists and specialties, and what else the region brings."""
    spec, periods = params.data.synthetic, params.periods
    assert spec is not None  # noqa: S101  the caller asked
    settings = synthetic.Settings(
        seed=spec.seed,
        discharges=spec.discharges,
        first_year=periods["before"].first,
        projects=spec.projects,
        chosen=tuple(spec.chosen),
        selection=spec.selection,
        dirt_rate=spec.dirt,
        hospitals=spec.hospitals,
    )
    synthetic.write_front_pages(synthetic.generate(settings), folder)
    given = {
        n: path for n, path in write_lists(folder, settings.first_year).items() if getattr(params.indicators, n) is None
    }
    departments = pd.read_csv(folder / "departments.csv", dtype=str)
    specialties = [
        Specialty(
            id=id_,
            name_zh=part["specialty_name"].iloc[0],
            surgical=part["surgical"].iloc[0] == "1",
            departments=list(part["department"]),
        )
        for id_, part in departments.groupby("specialty", sort=False)
    ]
    projects = pd.read_csv(folder / "projects.csv", dtype=str)
    deflators = pd.read_csv(folder / "deflators.csv")
    data = params.data.model_copy(
        update={
            "format": "front-page",
            "files": [str(folder / "front_pages")],
            "hospitals": folder / "hospitals.csv",
            "divisions": folder / "divisions.csv",
            "drg_file": DrgFile(file=folder / "drg.csv", discharge="B15"),
        }
    )
    brought = Brought(
        specialties=specialties,
        projects=[Project(hospital=r.hospital, specialty=r.specialty, level=r.level) for r in projects.itertuples()],
        price_index=dict(zip(deflators["year"].astype(int), deflators["factor"], strict=True)),
        lists={name: path.name for name, path in given.items()},
    )
    update = {
        "data": data,
        "specialties": params.specialties or specialties,
        "indicators": params.indicators.model_copy(update=given),
    }
    return params.model_copy(update=update), brought
