"""The engine reaches its own folders and nothing else (security: hostile input stays data)."""

from __future__ import annotations

import duckdb
import ibis
import pytest
from ibis import _

from toolkit.engine import connect, write_parquet


@pytest.fixture
def places(tmp_path):
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.csv").write_text("a\n1\n")
    connection = connect(tmp_path / "work", [tmp_path / "in" / "x.csv"], threads=1)
    yield tmp_path, connection
    connection.disconnect()


def test_declared_folders_can_be_read(places):
    folder, connection = places
    assert connection.con.execute(f"SELECT * FROM read_csv('{folder}/in/x.csv')").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('{out}/x.csv')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('{in_}/../out/x.csv')",
        "SELECT * FROM glob('{out}/*')",
        "SELECT * FROM '{out}/x.csv'",
        "ATTACH '{out}/x.db'",
        "COPY (SELECT 1) TO '{out}/y.csv'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')",
    ],
)
def test_nothing_else_can_be_read_or_written(places, query):
    folder, connection = places
    with pytest.raises(duckdb.Error):
        connection.con.execute(query.format(out=folder / "out", in_=folder / "in"))
    assert sorted(p.name for p in (folder / "out").iterdir()) == ["x.csv"]


@pytest.mark.parametrize(
    "setting", ["enable_external_access = true", "allowed_directories = ['/']", "lock_configuration = false"]
)
def test_the_door_cannot_be_opened_again(places, setting):
    with pytest.raises(duckdb.Error):
        places[1].con.execute(f"SET {setting}")


def test_python_variables_are_not_tables(places):
    secret = ibis.memtable({"a": [1]}).execute()  # in scope, and still unknown to a query
    assert len(secret) == 1
    with pytest.raises(duckdb.Error):
        places[1].con.execute("SELECT * FROM secret")


def test_a_quotation_mark_in_a_folder_is_part_of_its_name(tmp_path):
    folder = tmp_path / 'it\'s "合成"; --'
    connection = connect(folder, threads=1)
    table = connection.create_table("t", ibis.memtable({"a": [2, 1, 3]}).execute())
    assert write_parquet(connection, table, folder / "x'y.parquet", order_by=["a"]) == 3
    assert connection.read_parquet(str(folder / "x'y.parquet")).a.execute().tolist() == [1, 2, 3]
    assert write_parquet(connection, table.filter(_.a > 9), folder / "none.parquet") == 0
    connection.disconnect()
