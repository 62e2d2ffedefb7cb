"""`quarantine list`."""

from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import open_warehouse


def listing(settings: Settings) -> str:
    """Reasons with their number and an example's place. Payloads are not shown: they can hold personal data."""
    with open_warehouse(settings) as warehouse, warehouse.connect() as connection:
        rows = connection.execute(
            """
            select reason_code, count(*), count(distinct batch_id),
                (array_agg(uri || ':' || line_number order by quarantined_at desc))[1],
                max(reason)
            from raw.quarantine where resolved_at is null group by reason_code order by 2 desc
            """
        ).fetchall()
    if not rows:
        return "Nothing is in quarantine."
    return "\n\n".join(
        f"{n:,} × {code} in {files} files\n    {reason}\n    for example {place}" for code, n, files, place, reason in rows
    )
