"""`quarantine`: what was refused and why; loads it again after a fix."""

import psycopg

from analytics_pipeline.commands.terminal import live, say
from analytics_pipeline.errors import UsageError
from analytics_pipeline.events.envelope import REASONS
from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.events.masking import masked
from analytics_pipeline.ingest.replay import replay as replay_source
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import open_warehouse

_EXAMPLES = 3
_LISTING = """
with refused as (
    select q.*, row_number() over same_reason as position
    from raw.quarantine as q where q.resolved_at is null
    window same_reason as (partition by q.source, q.reason_code order by q.quarantined_at desc, q.line_number)
)
select source, reason_code, count(*), count(distinct batch_id),
    array_agg(uri || ':' || line_number order by position) filter (where position <= %(examples)s),
    array_agg(reason order by position) filter (where position <= %(examples)s),
    array_agg(substring(payload for 4000) order by position) filter (where position <= %(examples)s)
from refused group by source, reason_code order by 3 desc, 1, 2
"""


def listing(settings: Settings) -> str:
    """Reasons with their number and examples, in which personal values are masked."""
    with open_warehouse(settings) as warehouse, warehouse.connect() as connection:
        rows = connection.execute(_LISTING, {"examples": _EXAMPLES}).fetchall()
        personal = _personal(connection)
    if not rows:
        return "Nothing is in quarantine."
    parts = []
    for source, code, count, batches, places, reasons, payloads in rows:
        lines = [f"{count:,} × {code} from {source}, in {batches:,} load{'s' if batches > 1 else ''}: {REASONS.get(code, '')}"]
        for place, reason, payload in zip(places, reasons, payloads, strict=True):
            offending = reason.removeprefix(REASONS.get(code, "")).removeprefix(": ")
            lines += [f"    {place}{f'  {offending}' if offending else ''}", f"        {masked(bytes(payload), personal)}"]
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, "After a fix: analytics-pipeline quarantine replay"])


def replay(settings: Settings, mapping: str, source: str | None, reason: str | None) -> None:
    """Try refused records again with a mended mapping or plan.

    Raises:
        UsageError: there is no such reason.
        MappingError: there is no such mapping.
    """
    if reason is not None and reason not in REASONS:
        raise UsageError(f"no reason {reason!r}: use one of {', '.join(REASONS)}")
    compiled = load_mapping(mapping)
    with open_warehouse(settings, say) as warehouse, warehouse.connect(autocommit=True) as connection:
        with live("replaying"):
            batches = replay_source(connection, compiled, source or compiled.name, reason)
        left = connection.execute("select count(*) from raw.quarantine where resolved_at is null").fetchone()
    if not batches:
        say(f"Nothing of source {source or compiled.name} is in quarantine{f' for {reason}' if reason else ''}.")
    for batch in batches:
        state = f"{batch.accepted:,} accepted, {batch.duplicate:,} duplicate" if batch.read else "all refused again"
        say(f"{batch.uri}: {state}")
    say(f"{left[0] if left else 0:,} records are left in quarantine.")


def _personal(connection: psycopg.Connection) -> set[str]:
    """Names of properties that the plan marks as personal."""
    return {name for (name,) in connection.execute("select distinct property from config.properties where is_personal")}
