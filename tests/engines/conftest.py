"""One Spark session for all tests of this folder, started only when one of them runs."""

from __future__ import annotations

import os

import pytest

from toolkit.engine import connect, missing_for_spark

# Compiling generated code costs more than any of these small tables: results are the interpreter's, time is a third.
QUICK = (
    "--conf spark.sql.codegen.wholeStage=false --conf spark.sql.codegen.factoryMode=NO_CODEGEN "
    "--conf spark.driver.extraJavaOptions=-XX:TieredStopAtLevel=1 pyspark-shell"
)


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    """Everything that either engine may read."""
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="session")
def duckdb(work):
    connection = connect(work / "duckdb", [work], threads=2)
    yield connection
    connection.disconnect()


@pytest.fixture(scope="session")
def spark(work):
    if lacking := missing_for_spark():
        reason = f"the Spark engine needs {lacking} (make extras; apt install openjdk-17-jre-headless)"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    before = os.environ.get("PYSPARK_SUBMIT_ARGS")
    os.environ["PYSPARK_SUBMIT_ARGS"] = QUICK
    connection = connect(work / "spark", [work], engine="spark", threads=2, memory="1GB")
    yield connection
    connection.disconnect()
    if before is None:
        del os.environ["PYSPARK_SUBMIT_ARGS"]
    else:
        os.environ["PYSPARK_SUBMIT_ARGS"] = before


@pytest.fixture(scope="session")
def engines(duckdb, spark):
    return {"duckdb": duckdb, "spark": spark}
