"""`plan drift`: the plan beside what came, as table, CSV or JSON. The page of it is in `reports`."""

from analytics_pipeline.commands.sql import formatted
from analytics_pipeline.errors import UsageError
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import open_warehouse

_DRIFT = """
select d.state, d.event_name as event, d.property, f.violation, f.app_version as version, coalesce(f.flagged, 0) as flagged,
    coalesce(f.quarantined, d.quarantined) as quarantined, d.events, round(d.share::numeric, 4) as share, f.example,
    coalesce(f.first_day, d.first_day) as first_day, coalesce(f.last_day, d.last_day) as last_day
from ops.contract_drift as d
left join (
    select event_name, property, violation, app_version, sum(flagged)::bigint as flagged,
        sum(quarantined)::bigint as quarantined, min(example) as example, min(day) as first_day, max(day) as last_day
    from ops.contract_faults
    where day > (select coalesce(max(day), '-infinity') from ops.contract_days) - 28
    group by event_name, property, violation, app_version
) as f on d.event_name = f.event_name and d.property = f.property
where %(everything)s or d.state <> 'as planned'
order by array_position(array['breaks the plan', 'not in the plan', 'no longer comes', 'never came', 'as planned'], d.state),
    coalesce(f.flagged + f.quarantined, 0) desc, d.events desc, 2, 3, 4, 5
"""


def drift(settings: Settings, form: str, *, everything: bool) -> str:
    """One row for each event and property that differs, and for each fault and version of the sending application.

    Args:
        settings: of the home.
        form: table, csv or json.
        everything: also what is as planned.

    Raises:
        UsageError: no plan is published yet.
    """
    with open_warehouse(settings) as warehouse, warehouse.connect() as connection:
        if connection.execute("select 1 from config.plan").fetchone() is None:
            raise UsageError("no tracking plan is published yet: run `analytics-pipeline plan publish FILE` first")
        cursor = connection.execute(_DRIFT, {"everything": everything})
        columns, rows = [column.name for column in cursor.description or ()], cursor.fetchall()
    if not rows and form == "table":
        return "Events and plan are the same, as far as they were counted."
    return formatted(columns, rows, form)
