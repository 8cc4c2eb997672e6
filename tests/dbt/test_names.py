"""What Python asks of dbt's tables is there: a model that is renamed takes its readers along."""

import re
from pathlib import Path

from pipelines.features import PROJECT
from pipelines.settings import REPOSITORY

READ = re.compile(r"\b(?:from|join) (staging|intermediate|features|marts)\.([a-z]\w*)")


def names(folder: Path) -> set[tuple[str, str]]:
    return {found for path in folder.rglob("*.py") for found in READ.findall(path.read_text())}


def test_every_table_that_the_steps_read_is_a_model_of_dbt() -> None:
    asked = names(REPOSITORY / "pipelines") | names(REPOSITORY / "bi")
    models = {(path.parent.name, path.stem) for path in (PROJECT / "models").rglob("*.sql")}
    assert asked - models == set()
    assert ("intermediate", "int_shown_place") in asked and len(asked) > 5
