"""The errors that a user is meant to read.

Each message says what was wrong, with the offending value, and what to do. Errors of libraries do not belong here.
"""


class AnalyticsError(Exception):
    """The work failed: exit code 1."""


class UsageError(AnalyticsError):
    """The call itself was wrong: exit code 2."""


class WarehouseUnavailable(AnalyticsError):
    """No PostgreSQL answers, or the one that does can't be used."""


class GateBlocked(AnalyticsError):
    """A blocking data quality check failed; the last published version stays."""


class PlanError(UsageError):
    """A tracking plan that can't be read or compiled."""


class MappingError(UsageError):
    """A mapping file that can't be read or compiled."""


class UnreadableFile(AnalyticsError):
    """An event file that is broken as a whole: nothing of it was loaded."""


class ObjectStoreError(AnalyticsError):
    """The object store refused, or gave back something else than was written."""
