"""Superset, prepared and served by one process: what `nightmarket serve superset` becomes, in its own environment.

Prepared: its tables as this version wants them, its roles, one administrator, and the bundle of `assets/` as it stands.
Each start does what is missing. What people made in Superset themselves stays; what the bundle made is made anew, and
taken away where the bundle has it no more.
"""

import os
from pathlib import Path
from typing import Any

import yaml
from flask import Flask
from flask_migrate import upgrade
from gunicorn.app.base import BaseApplication
from superset.app import create_app
from werkzeug.security import check_password_hash

ASSETS = Path(__file__).resolve().parent / "assets"
ADMIN = "admin"


def prepare(app: Flask, password: str, warehouse: str) -> None:
    with app.app_context():
        from superset import appbuilder, db, security_manager
        from superset.commands.importers.v1.assets import ImportAssetsCommand
        from superset.utils.core import override_user

        done = Path(os.environ["SUPERSET_HOME"]) / "prepared"
        version = app.config["VERSION_STRING"]
        if not done.exists() or done.read_text() != version:
            upgrade()
            appbuilder.add_permissions(update_perms=True)
            security_manager.sync_role_definitions()
            db.session.commit()
            done.write_text(version)
        _admin(security_manager, password)
        contents = bundle(warehouse)
        with override_user(security_manager.find_user(ADMIN)):
            ImportAssetsCommand(contents).run()
            _take_away_what_is_not_in(contents)
        db.engine.dispose()  # the process that serves opens its own


def bundle(warehouse: str) -> dict[str, str]:
    """{path: YAML} of `assets/`, with the warehouse of this place."""
    contents = {str(path.relative_to(ASSETS)): path.read_text() for path in sorted(ASSETS.rglob("*.yaml"))}
    for path in contents:
        if path.startswith("databases/"):
            contents[path] = yaml.safe_dump({**yaml.safe_load(contents[path]), "sqlalchemy_uri": warehouse})
    return contents


def _admin(manager: Any, password: str) -> None:
    """The secret says what the password is: another one is set at the next start."""
    user = manager.find_user(ADMIN)
    if user is None:
        made = manager.add_user(
            ADMIN, "Nightmarket", "Admin", "admin@localhost", manager.find_role("Admin"), password=password
        )
        if not made:
            raise SystemExit("Superset did not take its administrator")
    elif not check_password_hash(user.password, password):
        manager.reset_password(user.id, password)


def _take_away_what_is_not_in(contents: dict[str, str]) -> None:
    from superset import db
    from superset.connectors.sqla.models import SqlaTable
    from superset.models.dashboard import Dashboard
    from superset.models.slice import Slice

    known = {yaml.safe_load(text).get("uuid") for text in contents.values()}
    for kind in (Dashboard, Slice, SqlaTable):
        for thing in db.session.query(kind).filter_by(is_managed_externally=True):
            if str(thing.uuid) not in known:
                db.session.delete(thing)
    db.session.commit()


class Server(BaseApplication):
    """gunicorn around an application that is there already: loading it a second time would take as long again."""

    def __init__(self, app: Flask, bind: str) -> None:
        self.app, self.bind = app, bind
        super().__init__()

    def load_config(self) -> None:
        chosen = {"bind": self.bind, "workers": 1, "threads": 8, "timeout": 300, "control_socket_disable": True}
        for name, value in chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self.app


def main() -> None:
    told = {name: os.environ.pop(f"NIGHTMARKET_SUPERSET_{name}") for name in ("PASSWORD", "WAREHOUSE", "BIND")}
    app = create_app()
    prepare(app, told["PASSWORD"], told["WAREHOUSE"])
    Server(app, told["BIND"]).run()


if __name__ == "__main__":
    main()
