"""Runs candidates against each other: processes that live side by side, take turns, and report time and peak memory."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CACHE, RESULTS = HERE / ".cache", HERE / "results"
PACKAGES = ("duckdb", "ibis-framework", "pandas", "numpy", "pyarrow", "matplotlib", "papermill", "ipykernel")


@dataclass(kw_only=True)
class Measured:
    """Runs of one candidate. Seconds are wall time, CPU seconds of all threads stand beside them."""

    name: str
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak_mb: float = 0.0

    def summary(self) -> dict[str, Any]:
        """The first run apart, medians of the rest."""
        return {
            "candidate": self.name,
            "first_s": round(self.seconds[0], 3),
            "runs": len(self.seconds) - 1,
            "median_s": round(statistics.median(self.seconds[1:]), 3),
            "median_cpu_s": round(statistics.median(self.cpu[1:]), 3),
            "peak_mb": round(self.peak_mb),
        }


class Candidate:
    """A child process that prepares once, then does its work each time it is asked."""

    def __init__(self, name: str, size: int) -> None:
        self.measured = Measured(name=name)
        # its peak memory is its own: a thread of this process would add what the others hold
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.measuring", name, str(size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=HERE.parent,
        )

    def __enter__(self) -> Candidate:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def run(self, keep: Path | None = None) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{keep or ''}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.measured.name} ended without an answer; its error stands above")
        reply = json.loads(answer)
        self.measured.seconds.append(reply["seconds"])
        self.measured.cpu.append(reply["cpu"])
        self.measured.peak_mb = max(self.measured.peak_mb, reply["peak_mb"])


def against_each_other(names: Sequence[str], size: int, runs: int) -> list[Measured]:
    """Time candidates A B A B …, after their numbers were found equal in the first round.

    Raises
    ------
    subprocess.CalledProcessError
        The candidates do not compute the same.
    """
    CACHE.mkdir(exist_ok=True)
    with ExitStack() as stack:
        candidates = [stack.enter_context(Candidate(name, size)) for name in names]
        kept = [CACHE / f"result-{i}.parquet" for i in range(len(names))]
        for candidate, path in zip(candidates, kept, strict=True):
            path.unlink(missing_ok=True)
            candidate.run(path)
        # in a process of its own: a child begins with its parent's peak memory, so this one must stay small
        subprocess.run(
            [sys.executable, "-m", "benchmarks.measuring", "equal", *names, *map(str, kept)],
            check=True,
            cwd=HERE.parent,
        )
        for _ in range(runs):
            for candidate in candidates:
                candidate.run()
    return [candidate.measured for candidate in candidates]


def _assert_equal(names: Sequence[str], kept: Sequence[Path]) -> None:
    import pandas as pd

    written = [(name, path) for name, path in zip(names, kept, strict=True) if path.exists()]
    first = pd.read_parquet(written[0][1]) if len(written) > 1 else None
    for name, path in written[1:]:
        # counts and money exactly, and squares too: all are sums of integers
        pd.testing.assert_frame_equal(
            first,
            pd.read_parquet(path).astype(first.dtypes),
            check_exact=True,
            check_dtype=False,
            check_categorical=False,
            obj=f"{written[0][0]} and {name}",
        )


def commands(named: dict[str, Sequence[str]], runs: int) -> list[Measured]:
    """The same for whole processes, from start to end; peak memory as the operating system saw it."""
    measured = [Measured(name=name) for name in named]
    for _ in range(runs + 1):
        for one, command in zip(measured, named.values(), strict=True):
            begun = time.perf_counter()
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=HERE.parent)
            _pid, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise RuntimeError(f"{one.name} failed with {process.returncode}")
            one.seconds.append(time.perf_counter() - begun)
            one.cpu.append(used.ru_utime + used.ru_stime)
            one.peak_mb = max(one.peak_mb, _megabytes(used.ru_maxrss))
    return measured


def _megabytes(maxrss: int) -> float:
    return maxrss / (1024**2 if sys.platform == "darwin" else 1024)  # bytes there, kilobytes elsewhere


def facts() -> dict[str, Any]:
    """The machine as far as it shapes a time; nothing that names it."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(pages / 1024**3, 1),
        "system": platform.system(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        **versions,
    }


def commit() -> str:
    """The commit, marked where tracked files differ from it."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], capture_output=True, text=True, cwd=HERE.parent, check=True
        ).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "toolkit", "benchmarks/*.py")
    return git("rev-parse", "--short=12", "HEAD") + ("+changes" if changed else "")


def report(name: str, size: int, measured: Sequence[Measured], **more: Any) -> None:
    """Print as a table and store as `results/<name>.json`."""
    rows = [one.summary() for one in measured]
    # the ratio of each pair of neighbours in time, so that a slow minute of the machine weighs on both
    base = measured[0]
    for row, one in zip(rows, measured, strict=True):
        pairs = [a / b for a, b in zip(one.seconds[1:], base.seconds[1:], strict=False)]
        row["ratio"] = round(statistics.median(pairs), 3)
    print(f"\n{name}  (size {size:,})")
    print(f"  {'candidate':<34}{'first s':>9}{'median s':>10}{'CPU s':>9}{'ratio':>8}{'peak MB':>9}")
    for row in rows:
        print(
            f"  {row['candidate']:<34}{row['first_s']:>9}{row['median_s']:>10}{row['median_cpu_s']:>9}"
            f"{row['ratio']:>8}{row['peak_mb']:>9}"
        )
    for key, value in more.items():
        print(f"  {key}: {value}")
    RESULTS.mkdir(exist_ok=True)
    content = {"benchmark": name, "commit": commit(), "size": size, "machine": facts(), "results": rows, **more}
    (RESULTS / f"{name}.json").write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _serve(name: str, size: int) -> None:
    module, _, function = name.partition(":")
    work = getattr(importlib.import_module(f"benchmarks.{module}"), function)(size)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not be taken for an answer
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        reply = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        reply["peak_mb"] = _megabytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        if (path := line.strip()) and result is not None:
            result.to_parquet(path)
        del result
        print(json.dumps(reply), file=answers, flush=True)


if __name__ == "__main__" and sys.argv[1] == "equal":
    half = len(sys.argv[2:]) // 2
    _assert_equal(sys.argv[2 : 2 + half], [Path(p) for p in sys.argv[2 + half :]])
elif __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
