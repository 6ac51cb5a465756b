"""Front-page CSV to the store, against DuckDB's plain CSV to Parquet of the same file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.measuring import CACHE, against_each_other, report


def run(size: int, runs: int) -> None:
    size = min(size, 300_000)  # front pages are wide, and slow to make
    folder = _pages(size)
    megabytes = sum(f.stat().st_size for f in (folder / "utf8").iterdir()) / 1e6
    measured = against_each_other(["intake:duckdb_plain", "intake:toolkit"], size, runs)
    rate = round(size / sorted(measured[1].seconds[1:])[len(measured[1].seconds[1:]) // 2])
    report("intake", size, measured, megabytes=round(megabytes), toolkit_records_per_second=rate)


def _pages(size: int) -> Path:
    """Front pages of a small region, also as UTF-8, which is all that plain DuckDB reads."""
    from toolkit.data.synthetic import Settings, generate, write_front_pages

    folder = CACHE / f"pages-{size}"
    if not (folder / "utf8").exists():
        write_front_pages(generate(Settings(discharges=size, dirt_rate=0.0)), folder)
        (folder / "making").mkdir(exist_ok=True)
        for file in sorted((folder / "front_pages").iterdir()):
            raw = file.read_bytes()
            try:
                text = raw.decode("utf-8-sig")
            except UnicodeDecodeError:
                text = raw.decode("gb18030")
            (folder / "making" / file.name).write_text(text, encoding="utf-8")
        (folder / "making").rename(folder / "utf8")
    return folder


def toolkit(size: int) -> Callable[[], None]:
    from benchmarks import data
    from toolkit.data.formats import format_map
    from toolkit.data.intake import take_in
    from toolkit.data.registry import read_registry
    from toolkit.engine import connect
    from toolkit.params import Data, DrgFile

    folder, work_folder = _pages(size), CACHE / "work-intake"
    source = Data(
        format="front-page", files=[str(folder / "utf8")], drg_file=DrgFile(file=folder / "drg.csv", discharge="B15")
    )
    params = data.params().model_copy(update={"data": source})

    def work() -> None:
        shutil.rmtree(work_folder, ignore_errors=True)
        connection = connect(work_folder, [folder / "utf8", folder / "drg.csv", folder / "hospitals.csv"])
        registry = read_registry(folder / "hospitals.csv", work_folder)
        intake = take_in(params, format_map("front-page"), registry, connection, work_folder)
        connection.disconnect()
        taken = int(intake.accounts["n"].sum())
        if taken != size:
            raise RuntimeError(f"{taken} records taken in instead of {size}")

    return work


def duckdb_plain(size: int) -> Callable[[], None]:
    import duckdb

    files, target = _pages(size) / "utf8", CACHE / "plain.parquet"

    def work() -> None:
        connection = duckdb.connect(config={"memory_limit": "3GB"})
        connection.execute(
            f"COPY (FROM read_csv('{files}/*', all_varchar=true, union_by_name=true)) TO '{target}' "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
        connection.close()

    return work
