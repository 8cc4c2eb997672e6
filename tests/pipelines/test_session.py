"""Engines: what cannot start is said in one line."""

import re
from dataclasses import replace

import grpc
import pytest
from pyspark.errors import PySparkException
from pyspark.errors.exceptions.connect import SparkConnectGrpcException

from pipelines.errors import NightmarketError, Unavailable, UsageError
from pipelines.session import engine_failed, spark_session
from pipelines.settings import Settings


def test_an_unknown_engine_is_the_callers_error(settings: Settings) -> None:
    with pytest.raises(UsageError, match="engine 'flink' is unknown"), spark_session(replace(settings, engine="flink")):
        pass


def test_spark_without_java_says_what_to_do(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(NightmarketError, match="needs Java 17"), spark_session(replace(settings, engine="spark")):
        pass


def test_a_session_counts_in_utc_and_its_port_is_closed_afterwards(settings: Settings) -> None:
    with spark_session(settings) as session:
        assert session.conf.get("spark.sql.session.timeZone") == "UTC"
        moment = session.sql("select cast(timestamp'2020-01-02T00:30:00+01:00' as string)").collect()[0][0]
    assert moment == "2020-01-01 23:30:00"


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (SparkConnectGrpcException("gone", grpc_status_code=grpc.StatusCode.UNAVAILABLE), Unavailable, "went away"),
        (SparkConnectGrpcException("[INVALID_HANDLE.SESSION_NOT_FOUND] new"), Unavailable, "went away"),
        (SparkConnectGrpcException('<_Rpc\n\tdetails = "no geheim"\n>'), NightmarketError, r"failed: no \*\*\*$"),
        (PySparkException("[DIVIDE_BY_ZERO] in\nline 2"), NightmarketError, r"failed: \[DIVIDE_BY_ZERO\] in$"),
    ],
)
def test_an_engine_that_went_away_may_be_back_in_a_minute(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    error: PySparkException,
    kind: type[NightmarketError],
    says: str,
) -> None:
    monkeypatch.setenv("SPARK_CONNECT_AUTHENTICATE_TOKEN", "geheim")
    found = engine_failed(settings, "preprocess of 2024-05-01", error)
    assert type(found) is kind
    assert re.search(f"^preprocess of 2024-05-01: the engine sail {says}", str(found))
