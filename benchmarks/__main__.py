"""`python -m benchmarks [names] [--size N] [--runs N]`: measure, print, store in benchmarks/results/."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from benchmarks import cube, indicators, intake, models, programme, reports, robustness, stages

ALL: dict[str, Callable[[int, int], None]] = {
    "help": reports.run_help,
    "cube": cube.run,
    "catalogue": cube.run_catalogue,
    "indicators": indicators.run,
    "intake": intake.run,
    "reports": reports.run,
    "demo": reports.run_demo,
    "models": models.run,
    "programme": programme.run,
    "robustness": robustness.run,
    "stages": stages.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(ALL)}; all if none is given")
    parser.add_argument(
        "--size", type=int, default=12_000_000, help="discharges (cube, indicators); the full claim: 72000000"
    )
    parser.add_argument("--runs", type=int, default=5, help="timed runs after the first")
    given = parser.parse_args()
    if unknown := sorted(set(given.names) - set(ALL)):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(ALL)}")
    for name in given.names or ALL:
        ALL[name](given.size, given.runs)


if __name__ == "__main__":
    main()
