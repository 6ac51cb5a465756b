"""Hashes are taken for known only while a file is untouched."""

import hashlib
import os

import pytest

from toolkit.running import known_hashes
from toolkit.running.known_hashes import KnownHashes


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"one")
    return path


@pytest.fixture
def read(monkeypatch):
    """Names of the files that were read."""
    seen = []
    really = known_hashes.file_hash
    monkeypatch.setattr(known_hashes, "file_hash", lambda path: seen.append(path.name) or really(path))
    monkeypatch.setattr(known_hashes, "MOMENT_NS", -1)
    return seen


def test_a_file_is_read_once_and_again_when_touched(tmp_path, file, read):
    for _ in range(3):
        known = KnownHashes.read(tmp_path / "hashes.json")
        assert known.of(file) == hashlib.sha256(b"one").hexdigest()
        known.write()
    assert read == ["a.csv"]
    at = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(at.st_atime_ns, at.st_mtime_ns))  # of the same size and date: only the time of the change tells
    assert KnownHashes.read(tmp_path / "hashes.json").of(file) == hashlib.sha256(b"two").hexdigest()
    assert read == ["a.csv", "a.csv"]


def test_a_file_that_was_written_a_moment_ago_is_not_taken_for_known(tmp_path, file, read, monkeypatch):
    monkeypatch.setattr(known_hashes, "MOMENT_NS", 3_600_000_000_000)
    for _ in range(2):
        known = KnownHashes.read(tmp_path / "hashes.json")
        known.of(file)
        known.write()
    assert read == ["a.csv", "a.csv"]


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"a": 1}', b"\xff"])
def test_a_list_that_is_none_means_that_all_is_read(tmp_path, file, content):
    (tmp_path / "hashes.json").write_bytes(content)
    assert KnownHashes.read(tmp_path / "hashes.json").of(file) == hashlib.sha256(b"one").hexdigest()
