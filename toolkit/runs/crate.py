"""A finished run as an RO-Crate: reports, tables, notebooks, parameters and manifest, with what each is and came from.

Metadata follow RO-Crate 1.1 and its profile Process Run Crate 0.1. What may go in is listed here by name; records, keys,
logs and tables that hold single cases are not on the list, so a new file stays out until somebody has decided otherwise.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from importlib.metadata import version
from pathlib import Path

from toolkit.documents import Document
from toolkit.errors import ParameterError, RunError
from toolkit.evaluation.tables import TABLES
from toolkit.running.manifest import digest
from toolkit.running.publish import MANIFEST, beside, canonical, explained
from toolkit.runs.run_manifest import INDEX, read_record, read_run_manifest
from toolkit.runs.verification import CONTENT, verify_run

METADATA = "ro-crate-metadata.json"
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.1"
RESULTS = [
    *(f"results/{one.name}.parquet" for one in TABLES if one.crate),
    "results/facts.json",
    "results/parameters.json",
]
FORMATS = {
    ".html": "text/html",
    ".json": "application/json",
    ".ipynb": "application/x-ipynb+json",
    ".pdf": "application/pdf",
    ".parquet": "application/vnd.apache.parquet",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same run gives the same archive


def export_crate(folder: Path, target: Path) -> list[str]:
    """Write the run as a folder, or as one archive where `target` ends in .zip; returns the names of the files in it.

    Raises
    ------
    RunError
        The run is not finished, or does not verify: what is not as its manifest says is not passed on.
    ParameterError
        Something lies at the target already.
    """
    manifest = read_run_manifest(folder)
    wrong = [d for d in verify_run(folder).differences if d.kind in CONTENT]
    if manifest is None or wrong:
        raise RunError(
            f"运行没有通过核对：{wrong[0]}",
            "the run does not verify",
            where=str(folder),
            remedy="重新运行后再导出",
            remedy_english="run again, then export",
        )
    if target.exists():
        raise ParameterError(
            f"已存在: {target}",
            "the target exists",
            where="--ro-crate",
            remedy="换一个名字",
            remedy_english="choose another name",
        )
    names = contents(folder, manifest)
    files = {name: (folder / name).read_bytes() for name in names}
    files[METADATA] = canonical(metadata(folder, manifest, files))
    made = beside(target, "tmp")
    with explained(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if target.suffix.lower() == ".zip":
                _write_archive(made, files)
            else:
                for name, content in files.items():
                    path = made / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
            os.rename(made, target)
        except OSError:
            shutil.rmtree(made, ignore_errors=True) if made.is_dir() else made.unlink(missing_ok=True)
            raise
    return sorted(files)


def contents(folder: Path, manifest: Document) -> list[str]:
    """The files of a run that may be passed on, by name."""
    names = [MANIFEST, INDEX, *(name for name in RESULTS if name in manifest["tables"])]
    for id_, report in manifest["reports"].items():
        names += [f"{id_}/{name}" for name in (*report["files"], MANIFEST)]
    return [name for name in names if (folder / name).is_file()]


def _write_archive(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])


def metadata(folder: Path, manifest: Document, files: dict[str, bytes]) -> Document:
    """The JSON-LD of the crate."""
    finished = read_record(folder).get("finished", "")
    raw = [_raw(row) for row in manifest["identity"]["read"]]
    folders = sorted({name.rpartition("/")[0] for name in files} - {""})
    descriptor = {
        "@id": METADATA,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": SPECIFICATION},
    }
    profile = {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.1"}
    license_ = {
        "@id": "#license",
        "@type": "CreativeWork",
        "name": "由评估组织方决定 decided by the owner of the evaluation",
    }
    software = {
        "@id": "#speceval",
        "@type": "SoftwareApplication",
        "name": "speceval",
        "version": version("speceval"),
        "sha256": manifest["identity"]["software"]["code"],
    }
    datasets = [
        {
            "@id": f"{part}/",
            "@type": "Dataset",
            "name": part,
            "hasPart": [{"@id": name} for name in sorted(files) if name.startswith(f"{part}/")],
        }
        for part in folders
    ]
    root, run = _root(manifest, files, folders, finished), _run(manifest, files, raw, finished)
    entities = [_file(name, content) for name, content in sorted(files.items())]
    return {
        "@context": f"{SPECIFICATION}/context",
        "@graph": [descriptor, root, profile, license_, software, run, *raw, *datasets, *entities],
    }


def _raw(row: Document) -> Document:
    """A raw file, which is named and not given."""
    return {
        "@id": f"#raw-{row['sha256'][:16]}",
        "@type": "CreativeWork",
        "name": row["name"],
        "sha256": row["sha256"],
        "description": "原始数据文件，不在本包内 raw data file, not in this crate",
    }


def _root(manifest: Document, files: dict[str, bytes], folders: list[str], finished: str) -> Document:
    """The crate as a whole."""
    identity = manifest["identity"]
    edition = {"internal": "内部评估版 internal edition", "release": "发布版 release edition"}[identity["edition"]]
    synthetic = "合成数据 synthetic data；" if identity["parameters"]["data"]["synthetic"] else ""
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": json.loads(files["results/parameters.json"])["title"],
        "datePublished": finished[:10] or "1980-01-01",
        "description": f"{synthetic}{edition}；运行 run {identity['run']}",
        "identifier": manifest["key"],
        "license": {"@id": "#license"},
        "conformsTo": {"@id": PROFILE},
        "hasPart": [
            *({"@id": f"{part}/"} for part in folders),
            *({"@id": n} for n in sorted(files) if "/" not in n and n != METADATA),
        ],
        "mentions": {"@id": "#run"},
    }


def _run(manifest: Document, files: dict[str, bytes], raw: list[Document], finished: str) -> Document:
    """What was done: from the raw files and the parameters to tables and reports."""
    return {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"speceval run {manifest['identity']['run']}",
        "instrument": {"@id": "#speceval"},
        "object": [{"@id": one["@id"]} for one in raw] + [{"@id": "results/parameters.json"}],
        "result": [{"@id": name} for name in sorted(files) if name.endswith((".html", ".parquet"))],
        "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
        **({"endTime": finished} if finished else {}),
    }


def _file(name: str, content: bytes) -> Document:
    return {
        "@id": name,
        "@type": "File",
        "name": name,
        "contentSize": str(len(content)),
        "sha256": digest(content),
        "encodingFormat": FORMATS.get(Path(name).suffix, "application/octet-stream"),
    }
