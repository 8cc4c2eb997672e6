"""Engines: what cannot start is said in one line."""

from dataclasses import replace

import pytest

from pipelines.errors import NightmarketError, UsageError
from pipelines.session import spark_session
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
