"""Errors meant for the person who reads them at 3 a.m.: what failed, on which file, row or date, what to do."""


class NightmarketError(Exception):
    """A step failed for a reason we can name. One line; the command prints it and exits 1."""


class NoSuchTable(NightmarketError):
    """A query names a table that nobody has made yet."""


class TooLittle(NightmarketError):
    """There is not enough to learn from yet. A schedule may go on without; who asked for it by name may not."""


class AuditFailed(NightmarketError):
    """A critical expectation failed: nothing of this night is published. Retrying does not help."""


class Unavailable(NightmarketError):
    """What the step needs cannot be reached right now (another process holds it, a server does not answer): the same
    call may succeed in a minute. The only failure that a scheduler repeats by itself.
    """


class Superseded(NightmarketError):
    """A newer attempt owns this step: this one must not publish anything."""


class UsageError(NightmarketError):
    """The call itself is wrong (date, source, path). The command exits 2."""
