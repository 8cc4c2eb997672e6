"""An experiment with drawn places: who belongs to which half, and its read-out computed by hand."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipelines import experiments
from pipelines.contracts import OPS_EXPERIMENTS
from pipelines.experiments import is_explored, newest, rows, sentence
from pipelines.settings import Settings
from pipelines.warehouse import open_warehouse, upsert
from tests.pipelines.scored import NIGHT, open_shop, run
from tests.pipelines.scored import rows as scored

DAY = date(2024, 3, 10)
USERS = [f"u{n:04d}" for n in range(2000)]


def settings_of(home: Path) -> Settings:
    return Settings(home=home, exploration_share=0.3, experiment="spring", experiment_from="2024-03-08")


def test_a_user_stays_in_one_half_and_another_experiment_splits_anew(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    halves = is_explored(settings, USERS, DAY)
    assert 900 < halves.sum() < 1100
    assert (is_explored(settings, USERS[:50], DAY + timedelta(40)) == halves[:50]).all()
    other = is_explored(replace(settings, experiment="summer"), USERS, DAY)
    assert 450 < (halves & other).sum() < 550
    assert is_explored(settings, USERS, date(2024, 3, 7)).all()
    assert is_explored(replace(settings, experiment=""), USERS, DAY).all()


def test_only_the_variants_lists_hold_drawn_places(tmp_path: Path) -> None:
    shop = replace(open_shop(tmp_path), exploration_share=0.9, experiment="spring", experiment_from=str(NIGHT))
    run(shop)
    listed = scored(
        shop, "select user_id, bool_or(is_explored), min(propensity) from scores.recommendations group by 1"
    )
    users = [row[0] for row in listed]
    for explored, (_, drawn, least) in zip(is_explored(shop, users, NIGHT), listed, strict=True):
        assert drawn == explored
        assert (least < 1) == explored


def fill(settings: Settings, users: list[str], shown: dict[str, tuple[int, int]], bought: dict[str, float]) -> None:
    """Lists of three nights, impressions with clicks, and what users bought and spent whatever they were shown."""
    with open_warehouse(settings) as connection:
        for night in (7, 8, 9):
            for user in users:
                connection.execute(
                    "insert into scores.recommendations (scored_for, user_id, rank) values (?, ?, 1)",
                    [date(2024, 3, night), user],
                )
        connection.execute("create schema if not exists intermediate")
        connection.execute(
            "create table intermediate.int_shown_place"
            " (scored_for date, listed_kind text, listed_owner text, clicks int)"
        )
        connection.execute(
            "create table intermediate.int_user_day (event_date date, landing_date date, user_id text,"
            " purchased_lines bigint, revenue decimal(18, 2))"
        )
        for user, (impressions, clicks) in shown.items():
            for n in range(impressions):
                values = [user, int(n < clicks)]
                connection.execute(
                    "insert into intermediate.int_shown_place values ('2024-03-08', 'user', ?, ?)", values
                )
            # of a night before the experiment, and of a visitors' list
            connection.execute("insert into intermediate.int_shown_place values ('2024-03-07', 'user', ?, 1)", [user])
            connection.execute(
                "insert into intermediate.int_shown_place values ('2024-03-08', 'segment', ?, 1)", [user]
            )
        for user, money in bought.items():
            # counted; on the day the experiment began; known tomorrow
            for day, landed in (
                ("2024-03-09", "2024-03-09"),
                ("2024-03-08", "2024-03-08"),
                ("2024-03-10", "2024-03-11"),
            ):
                connection.execute(
                    "insert into intermediate.int_user_day values (?, ?, ?, 2, ?)", [day, landed, user, money]
                )


def halves(settings: Settings, users: list[str]) -> tuple[list[str], list[str]]:
    explored = is_explored(settings, users, DAY)
    return [u for u, e in zip(users, explored, strict=True) if not e], [
        u for u, e in zip(users, explored, strict=True) if e
    ]


def test_the_read_out_by_hand(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    users = USERS[:40]
    ranked, explored = halves(settings, users)
    # 4 impressions each; of the control two have 2 clicks, of the variant three; one of each half buys, a stranger too
    shown = {user: (4, 2 * (user in ranked[:2] + explored[:3])) for user in users}
    fill(settings, users, shown, {ranked[0]: 10.0, explored[0]: 30.0, "stranger": 500.0})
    with open_warehouse(settings) as connection:
        found = {row["metric"]: row for row in rows(settings, connection, DAY)}
    ctr, conversion, revenue = found["ctr"], found["conversion"], found["revenue_per_user"]
    assert (ctr["control_users"], ctr["variant_users"]) == (len(ranked), len(explored))
    assert ctr["control"] == pytest.approx(4 / (4 * len(ranked)))
    assert ctr["variant"] == pytest.approx(6 / (4 * len(explored)))
    assert conversion["control"] == pytest.approx(1 / len(ranked))
    assert revenue["variant"] == pytest.approx(30 / len(explored))
    assert revenue["difference"] == pytest.approx(30 / len(explored) - 10 / len(ranked))
    assert ctr["difference_low"] < ctr["difference"] < ctr["difference_high"]
    assert ctr["split_sound"]
    assert "spring since 2024-03-08, ctr: explored" in sentence(ctr)


def test_users_of_one_half_who_are_never_shown_their_lists_make_the_split_unsound(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    users = USERS[:200]
    ranked, explored = halves(settings, users)
    fill(settings, users, dict.fromkeys(ranked + explored[:40], (1, 0)), {})
    with open_warehouse(settings) as connection:
        found = rows(settings, connection, DAY)
        upsert(connection, OPS_EXPERIMENTS, found)
    assert not found[0]["split_sound"]
    kept = newest(settings)
    assert [row["metric"] for row in kept] == ["conversion", "ctr", "revenue_per_user"]
    assert "says nothing" in sentence(kept[1])
    assert "40 users were shown lists" in sentence(kept[1])


def test_without_an_experiment_nothing_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(tmp_path)
    assert newest(settings) == []
    monkeypatch.setattr(experiments, "_users", lambda *_: pytest.fail("there is nothing to read"))
    with open_warehouse(settings) as connection:
        assert rows(replace(settings, experiment=""), connection, DAY) == []
        assert rows(settings, connection, date(2024, 3, 8)) == []
