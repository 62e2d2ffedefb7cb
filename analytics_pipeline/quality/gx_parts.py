"""Our own parts of Great Expectations. Importing this module imports Great Expectations: do so inside of functions."""

from typing import Any, ClassVar

from great_expectations.compatibility import pydantic
from great_expectations.expectations.core import UnexpectedRowsExpectation
from sqlalchemy.pool import StaticPool

_COUNT = "unexpected_rows_query.row_count"


class UnexpectedRows(UnexpectedRowsExpectation):  # type: ignore[misc]
    """No row that a query looks for is there.

    Counted on the server: the class that it stands on runs its query twice and fetches every row that it finds.
    """

    metric_dependencies: ClassVar[tuple[str, ...]] = (_COUNT,)

    @pydantic.validator("unexpected_rows_query")  # type: ignore[untyped-decorator]
    def _validate_query(cls, query: str) -> str:
        """The rows under judgement are named in the query already, so nothing warns that they are not."""
        return query

    def _validate(self, metrics: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
        return {"success": metrics[_COUNT] == 0, "result": {"observed_value": metrics[_COUNT]}}


class LentConnection(StaticPool):
    """A pool of one connection that belongs to somebody else, who closes it."""

    def dispose(self) -> None:
        """Leave the connection open."""
