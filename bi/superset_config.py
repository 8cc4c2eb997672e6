"""What Superset is told, over its own defaults. Secrets and places come by environment (pipelines/serve/superset.py):
where one is missing Superset does not start, since there is no default of a key or a password.
"""

import os
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine
from superset.utils.log import AbstractEventLogger

SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]
GUEST_TOKEN_JWT_SECRET = GLOBAL_ASYNC_QUERIES_JWT_SECRET = (
    SECRET_KEY  # neither is switched on; both have a known default
)

# Its own users, charts and settings. Dashboards are code, so one file is enough.
SQLALCHEMY_DATABASE_URI = f"sqlite:///{os.environ['SUPERSET_HOME']}/superset.db?check_same_thread=false"


@event.listens_for(Engine, "connect")
def _many_readers_beside_one_writer(connection: Any, _record: Any) -> None:
    if type(connection).__module__ == "sqlite3":
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")
        connection.execute("pragma busy_timeout = 30000")


class _Unheard(AbstractEventLogger):
    """Who looked at what is kept nowhere: by default each click is a row."""

    def log(self, *words: Any, **named: Any) -> None:
        pass


EVENT_LOGGER = _Unheard()
LOG_LEVEL = "WARNING"
ALEMBIC_SKIP_LOG_CONFIG = True

# The answer of yesterday would hide the night: BI asks the warehouse each time. NullCache is the default of both.
CACHE_CONFIG = DATA_CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}

RATELIMIT_ENABLED = True  # of logins: 5 a second
RATELIMIT_APPLICATION = "500 per second"
RATELIMIT_STORAGE_URI = "memory://"

FAB_API_SWAGGER_UI = False
FAB_ADD_SECURITY_VIEWS = True
APP_NAME = "Nightmarket"

# The page asks nobody but this server: the default lets it load a tracking pixel, maps and fonts from elsewhere.
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": False,  # plain http on this machine, or behind a proxy of the team's own
}
