"""One front-page CSV to the store with every rule on, against DuckDB's plain CSV to Parquet of the same file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measuring import CACHE, against_each_other, report

SIZE = 2_000_000
ENCODINGS = {"utf8": "utf-8", "gb18030": "gb18030"}


def run(size: int, runs: int) -> None:
    size = min(size, SIZE)
    folder = pages(size)
    names = ["intake:duckdb_plain", "intake:toolkit_utf8", "intake:toolkit_gb18030"]
    measured = against_each_other(names, size, runs)
    rates = {one.name: round(size / sorted(one.seconds[1:])[len(one.seconds[1:]) // 2]) for one in measured}
    report(
        "intake",
        size,
        measured,
        megabytes=round((folder / "utf8" / "front_pages.csv").stat().st_size / 1e6),
        records_per_second=rates,
        target="at least 150,000 records per second, ratio below 4, peak below 3 GB",
    )


def pages(size: int) -> Path:
    """One file of a whole region (合成数据) in each encoding, the grouper's table, registry and code lists."""
    folder = CACHE / f"one-file-{size}"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        _write(size, folder)
        (folder / "complete").touch()
    return folder


def _write(size: int, folder: Path) -> None:
    import pyarrow.csv as arrow_csv

    from toolkit.synthetic import Settings, generate
    from toolkit.synthetic.lists import write_lists
    from toolkit.synthetic.pages import page_columns, year_stays
    from toolkit.synthetic.truth import write_registry

    region = generate(Settings(discharges=size, hospitals=200, dirt_rate=0.0))
    for name in ENCODINGS:
        (folder / name).mkdir(parents=True)
    codes: dict[str, set[str]] = {"diagnoses": set(), "procedures": set()}
    utf8, gb18030, grouper = (folder / p for p in ("utf8/front_pages.csv", "gb18030/front_pages.csv", "drg.csv"))
    with utf8.open("wb") as out, grouper.open("wb") as drgs:
        for position, year in enumerate(region.settings.years):
            table = page_columns(region, year, *year_stays(region, year))
            plain = arrow_csv.WriteOptions(include_header=position == 0, quoting_style="none", quoting_header="none")
            arrow_csv.write_csv(table.select(["A01", "A48", "A49", "B15", "DRG"]), drgs, plain)
            arrow_csv.write_csv(table.drop_columns(["DRG"]), out, plain)
            codes["diagnoses"] |= set(table["C03C"].unique().to_pylist())
            for name in table.column_names:
                if name == "C14x01C" or name.startswith("C35x"):
                    codes["procedures"] |= set(table[name].unique().to_pylist())
    with utf8.open(encoding="utf-8", newline="") as read, gb18030.open("w", encoding="gb18030", newline="") as written:
        shutil.copyfileobj(read, written, 1 << 24)
    for name, found in codes.items():
        lines = [f"{code},{region.settings.years[0]}," for code in sorted(found - {"-"})]
        (folder / f"{name}.csv").write_text("\n".join(["code,valid_from,valid_to", *lines]) + "\n", encoding="utf-8")
    write_lists(folder, region.settings.years[0])
    write_registry(region, folder, files=[], defects=[])


def toolkit_utf8(size: int) -> Callable[[], None]:
    return _toolkit(size, "utf8")


def toolkit_gb18030(size: int) -> Callable[[], None]:
    return _toolkit(size, "gb18030")


def params_of(size: int, encoding: str) -> Any:
    """A run over the file, with a registry, a grouper's table, dictionaries and code lists: every rule that the layout allows."""
    from benchmarks import data
    from toolkit.params import Data, DrgFile
    from toolkit.synthetic.lists import write_lists

    folder, params = pages(size), data.params()
    source = Data(
        format="front-page",
        files=[str(folder / encoding)],
        hospitals=folder / "hospitals.csv",
        drg_file=DrgFile(file=folder / "drg.csv", discharge="B15"),
        divisions=folder / "divisions.csv",
        diagnosis_dictionary=folder / "diagnoses.csv",
        procedure_dictionary=folder / "procedures.csv",
    )
    lists = write_lists(folder, params.all_years[0])
    indicators = params.indicators.model_copy(update=lists)
    return params.model_copy(update={"data": source, "indicators": indicators})


def _toolkit(size: int, encoding: str) -> Callable[[], None]:
    from toolkit.data.intake import take_in
    from toolkit.data.lists.registry import read_registry
    from toolkit.data.reading.formats import format_map
    from toolkit.engine import connect

    folder, work_folder = pages(size), CACHE / f"work-intake-{encoding}"
    params = params_of(size, encoding)

    def work() -> None:
        shutil.rmtree(work_folder, ignore_errors=True)
        connection = connect(work_folder, [folder / encoding, folder / "drg.csv"], memory="2GB")
        registry = read_registry(folder / "hospitals.csv", work_folder)
        intake = take_in(params, format_map("front-page"), registry, connection, work_folder)
        connection.disconnect()
        if (taken := int(intake.accounts["n"].sum())) != size:
            raise RuntimeError(f"{taken} records taken in instead of {size}")

    return work


def duckdb_plain(size: int) -> Callable[[], None]:
    import duckdb

    file, target = pages(size) / "utf8" / "front_pages.csv", CACHE / "plain.parquet"

    def work() -> None:
        connection = duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(CACHE / "spill")})
        connection.execute(
            f"COPY (FROM read_csv('{file}', all_varchar=true)) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
        )
        connection.close()

    return work
