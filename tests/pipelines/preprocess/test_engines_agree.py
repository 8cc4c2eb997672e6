"""Law 10: the same job gives equal rows on Sail and on Apache Spark, on rows made to tell them apart."""

from dataclasses import replace

import pytest
from engines import finish, land_day, start

from pipelines.settings import Settings


@pytest.mark.slow
@pytest.mark.java
def test_both_engines_stage_the_same_rows(settings: Settings) -> None:
    found = []
    for engine in ("sail", "spark"):
        one = replace(settings, home=settings.home / engine, engine=engine)
        land_day(one)
        found.append(finish(start(one), one))
    sail, spark = found
    assert sail == spark
    assert len(sail["events"]) > 200
    assert len({r["reason"] for r in sail["refused"]}) > 15
    assert {row["kind"] for row in sail["masked"]} == {"email", "card", "phone", "address"}
    assert not any("@" in row and "example" in row for row in sail["reviews"])
