"""The URL of a server's own database: a file of this machine, or PostgreSQL."""

from urllib.parse import urlsplit

from pipelines.errors import UsageError

DRIVER = "postgresql+psycopg2"


def database(setting: str, url: str, embedded: str) -> str:
    """`url`, or where it is empty `embedded`. Raises UsageError for one without a driver or with a password in it."""
    if not url:
        return embedded
    parts = urlsplit(url)
    if parts.scheme != DRIVER:
        raise UsageError(
            f"{setting} must begin with {DRIVER}://, not {parts.scheme}://: a bare postgresql:// means another driver"
        )
    if parts.password:
        raise UsageError(
            f"{setting} holds a password, which process lists and logs would show: take it out, and put it into the"
            " file that PGPASSFILE names"
        )
    return url
