"""Prove that the law tests can fail: break one line, run the law's test, expect it to fail.

    .venv/bin/python -m tests.mutations            # all, about half an hour
    .venv/bin/python -m tests.mutations 4 6        # laws 4 and 6

Each mutation is applied to a copy of the tracked files; the tree itself is never touched. docs/laws.md is the same
list for readers.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Mutation:
    """`old` (exactly once in `file`) becomes `new`; then `test` must fail."""

    law: int
    says: str
    file: str
    old: str
    new: str
    test: str


MUTATIONS = (
    Mutation(
        1,
        "lake files are named after the try at committing, so a rerun does not find its own",
        "pipelines/lake/commits.py",
        "staged.parent.name) for d in dates]",
        "str(time.time_ns())) for d in dates]",
        "tests/pipelines/lake/test_commits.py::test_the_same_commit_twice_makes_one_version",
    ),
    Mutation(
        1,
        "an upload that was cut is taken for whole",
        "pipelines/lake/store.py",
        "        if _size(client, bucket, key) != file.stat().st_size:",
        "        if _size(client, bucket, key) is None:",
        "tests/pipelines/lake/test_store.py::test_an_upload_that_was_cut_is_not_taken_for_whole",
    ),
    Mutation(
        1,
        "the outbox is emptied before the commit",
        "pipelines/ops.py",
        "                _take_in(connection, path)\n",
        "                _take_in(connection, path)\n                path.unlink()\n",
        "tests/pipelines/test_ops.py::test_a_rolled_back_writer_leaves_the_outbox_as_it_was",
    ),
    Mutation(
        1,
        "a batch that is only partly in the lake is loaded",
        "pipelines/load.py",
        "        staging.require_whole(settings)\n",
        "",
        "tests/pipelines/test_publish_lake.py::test_load_refuses_a_batch_that_is_partly_in_the_lake_until_it_is_whole",
    ),
    Mutation(
        1,
        "the mark of a partly committed batch goes before its last commit",
        "pipelines/publish_lake.py",
        "    staging.mark_partial(settings, batch)\n",
        "    staging.mark_partial(settings, batch)\n    staging.mark_whole(settings, [batch])\n",
        "tests/pipelines/test_publish_lake.py::test_a_new_attempt_of_the_batch_is_still_refused_until_it_is_published",
    ),
    Mutation(
        1,
        "a training run again is registered twice",
        "models/registry.py",
        "    if last is None or _timeless(asdict(last)) != _timeless(asdict(training)):",
        "    if True:",
        "tests/models/test_registry.py::test_a_training_run_again_is_recorded_once",
    ),
    Mutation(
        2,
        "the BI file is overwritten in place instead of replaced",
        "pipelines/bi/file.py",
        "    link.replace(settings.bi)\n",
        "    settings.bi.unlink(missing_ok=True)\n    import shutil\n    shutil.copyfile(link, settings.bi)\n",
        "tests/e2e/test_kill.py::test_readers_see_whole_nights_through_50_publishes",
    ),
    Mutation(
        2,
        "on PostgreSQL a new edition is written over the one that BI sees",
        "pipelines/bi/pointer.py",
        "            edition = _next(connection)\n",
        "            edition = 1\n",
        "tests/e2e/test_served.py::test_readers_see_whole_nights_through_200_publishes",
    ),
    Mutation(
        3,
        "a picture that cannot be decoded passes",
        "pipelines/media/verdicts.py",
        "        self._known |= zip(fresh,",
        "        _ = zip(fresh,",
        "tests/pipelines/media/test_deliveries.py::test_every_malformed_file_is_quarantined_for_its_own_reason",
    ),
    Mutation(
        3,
        "duplicates are not counted",
        "pipelines/lake/reads.py",
        "count(*) filter (is_duplicate)",
        "0",
        "tests/pipelines/lake/test_commits.py::test_recount_gives_totals_per_file",
    ),
    Mutation(
        4,
        "an item's pictures are those of its newest delivery of all",
        "pipelines/lake/reads.py",
        "    return _newest(settings, entity, as_of).sort_by(",
        "    return _newest(settings, entity, date.max).sort_by(",
        "tests/pipelines/media/test_step.py::test_only_what_changed_is_decoded_and_the_newest_delivery_counts",
    ),
    Mutation(
        4,
        "rows delivered later are known earlier",
        "pipelines/lake/reads.py",
        "        (ds.field(LANDING_DATE) <= as_of)\n        & ~ds",
        "ds.field(LANDING_DATE).is_valid()\n        & ~ds",
        "tests/pipelines/lake/test_commits.py::test_interactions_know_nothing_that_was_delivered_later",
    ),
    Mutation(
        4,
        "events after the night are read",
        "pipelines/lake/reads.py",
        "lambda day: first <= day <= as_of).to_table(columns=columns, filter=known)",
        "lambda day: first <= day).to_table(columns=columns, filter=known)",
        "tests/pipelines/lake/test_commits.py::test_an_event_dated_after_the_night_waits_for_its_own",
    ),
    Mutation(
        4,
        "propensity knows a delivery before it came",
        "models/propensity/visits.py",
        "(self.day > day - LOOKBACK) & (self.known <= day)",
        "(self.day > day - LOOKBACK)",
        "tests/models/propensity/test_visits.py::test_a_row_that_was_delivered_later_is_not_known_yet",
    ),
    Mutation(
        4,
        "candidates of the next basket are counted with the baskets that are to be foretold",
        "models/days.py",
        "(self.age >= back) & (self.age < back + within)",
        "(self.age < back + within)",
        "tests/models/next_basket/test_baskets.py::test_what_is_known_at_a_day_is_what_a_shop_that_ends_there_knows",
    ),
    Mutation(
        8,
        "the second stage stands without having beaten the blend",
        "pipelines/second_stage.py",
        "if RANKER in values and found and gate.above(values[RANKER], BLEND, values[BLEND]).passed:",
        "if RANKER in values and found:",
        "tests/pipelines/test_promotion.py::test_only_a_second_stage_that_beats_the_blend_is_a_candidate",
    ),
    Mutation(
        8,
        "a model forecasts that is not better than the floor beyond doubt",
        "models/choice.py",
        "paired_interval(losses[leads], losses[name], SEED)[0] > 0",
        "paired_interval(losses[leads], losses[name], SEED)[1] > 0",
        "tests/models/test_choice.py::test_the_simplest_stays_where_the_others_are_no_better",
    ),
    Mutation(
        5,
        "a night overwrites what other deliveries brought for its days",
        "pipelines/lake/reads.py",
        "    scanner = dataset(settings, entity, dates).scanner(",
        "    scanner = dataset(settings, entity, []).scanner(",
        "tests/e2e/test_laws.py::test_one_history_pass_ends_equal_to_nights",
    ),
    Mutation(
        5,
        "later nights are not scored again",
        "pipelines/night.py",
        "    for later in scored_nights_after(settings, day):",
        "    for later in scored_nights_after(settings, day)[:0]:",
        "tests/e2e/test_laws.py::test_nights_in_another_order_end_equal",
    ),
    Mutation(
        6,
        "any attempt may commit",
        "pipelines/fence.py",
        "if row is None or row[0] != attempt.token:",
        "if row is None:",
        "tests/e2e/test_kill.py::test_an_orphan_that_wakes_up_after_its_successor_publishes_nothing",
    ),
    Mutation(
        6,
        "on PostgreSQL BI sees the newest rows, whoever put them there",
        "pipelines/bi/pointer.py",
        "where edition = (select edition from {OPS_CURRENT_NIGHT.name})",
        "where edition = (select max(edition) from {table})",
        "tests/pipelines/bi/test_pointer.py::test_a_superseded_attempt_shows_nothing",
    ),
    Mutation(
        6,
        "rows of an attempt that may still be shown are dropped",
        "pipelines/bi/pointer.py",
        "where edition < ? and edition not in",
        "where ? is not null and edition not in",
        "tests/pipelines/bi/test_pointer.py::test_rows_that_a_successor_is_about_to_show_are_left_alone",
    ),
    Mutation(
        6,
        "a commit does not ask whether another home committed since it was planned",
        "pipelines/lake/commits.py",
        "    if found.version() != change.version:",
        "    if False:",
        "tests/pipelines/lake/test_store.py::test_of_two_changes_planned_from_one_version_the_second_is_refused",
    ),
    Mutation(
        6,
        "an audit keeps its results and verdict outside the fence",
        "pipelines/audit/run.py",
        "    with guard(settings, attempt):\n",
        "    if True:\n",
        "tests/pipelines/audit/test_audit_run.py::test_a_superseded_audit_leaves_no_result_no_override_and_no_verdict",
    ),
    Mutation(
        6,
        "an audit speaks of rows that were made again meanwhile",
        "pipelines/audit/run.py",
        "        if verdicts.subject(settings, stage, batch) != subject:",
        "        if False:",
        "tests/pipelines/audit/test_audit_run.py::test_rows_made_again_during_their_audit_get_no_verdict",
    ),
    Mutation(
        7,
        "the lake takes what its audit refused",
        "pipelines/audit/verdicts.py",
        '    if not verdict["success"]:',
        "    if False:",
        "tests/e2e/test_laws.py::test_a_failed_audit_publishes_nothing_and_says_why",
    ),
    Mutation(
        1,
        "a night that is scored again takes the rules file as it is by then",
        "pipelines/rules/kept.py",
        "    if anew or not exists(settings):",
        "    if True:",
        "tests/pipelines/rules/test_whose_rules.py::test_a_night_keeps_the_rules_it_was_scored_by",
    ),
    Mutation(
        7,
        "the audit of scores does not ask for business rules",
        "pipelines/audit/run.py",
        "    if not broken:",
        "    if True:",
        "tests/pipelines/audit/test_rules_audit.py::test_lists_under_rules_pass_and_a_broken_rule_stops_the_night_by_name",
    ),
    Mutation(
        9,
        "an artefact's digest is not compared",
        "models/artefact.py",
        'if hashlib.sha256(data).hexdigest() != files[name]["sha256"]:',
        "if False:",
        "tests/models/test_artefact.py",
    ),
    Mutation(
        10,
        "numbers with an exponent are left to each engine's own cast",
        "pipelines/preprocess/values.py",
        "F.when(value.rlike(PLAIN), value).when(value.rlike(NUMBER), _without_exponent(value))",
        "value",
        "tests/pipelines/preprocess/test_engines_agree.py",
    ),
)


def passes(folder: Path, test: str) -> bool:
    # `-m pytest` puts the copy first on the path, before the installed tree.
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def survives(mutation: Mutation, folder: Path) -> bool:
    """Whether the test passes on a copy of the tree without the mutation (it must) and still passes with it."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in tracked.split("\n"):
        if name and (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    target = folder / mutation.file
    text = target.read_text()
    if text.count(mutation.old) != 1:
        raise SystemExit(f"law {mutation.law}: {mutation.file} does not hold {mutation.old!r} exactly once")
    if not passes(folder, mutation.test):
        raise SystemExit(f"law {mutation.law}: {mutation.test} fails without any mutation; mend that first")
    target.write_text(text.replace(mutation.old, mutation.new))
    return passes(folder, mutation.test)


def main() -> int:
    """Run the chosen laws' mutations; exit 1 if any survives."""
    laws = {int(word) for word in sys.argv[1:]} or {m.law for m in MUTATIONS}
    survivors = 0
    for mutation in MUTATIONS:
        if mutation.law not in laws:
            continue
        with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
            alive = survives(mutation, Path(folder))
        survivors += alive
        print(f"law {mutation.law:>2}  {'SURVIVED' if alive else 'caught  '}  {mutation.says}", flush=True)
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())
