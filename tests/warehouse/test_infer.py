"""First plans of the samples, in a warehouse: they can be published, and the events that they come from keep them."""

import json
import uuid
from datetime import date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from analytics_pipeline.quality.contracts import count_violations
from analytics_pipeline.tracking_plan.names import SAMPLES
from analytics_pipeline.warehouse.partitions import Partitions, week_of
from tests.conftest import publish_text
from tests.unit.test_infer import sample

pytestmark = pytest.mark.only_on("embedded", "tens of thousands of events; plans are in plain tables")
DAYS = [date(2026, 5, 31) + timedelta(days=n) for n in range(48)]


@pytest.mark.parametrize("name", SAMPLES)
def test_the_first_plan_of_a_sample_is_published_and_kept_by_its_events(
    connection: psycopg.Connection, name: str, tmp_path: Path
) -> None:
    events, text = sample(name)
    publish_text(connection, tmp_path, text)
    at: list[datetime] = [e["occurred_at"] for e in events]
    Partitions(connection).ensure({week_of(moment) for moment in at})
    batch = uuid.uuid4()
    columns = "event_id, event_name, occurred_at, received_at, source, app_version, properties, batch_id"
    with connection.cursor().copy(f"copy raw.events ({columns}) from stdin") as copy:
        for e in events:
            said = (e["event_name"], e["occurred_at"], e["occurred_at"], "test", e.get("app_version"))
            copy.write_row((uuid.uuid4(), *said, json.dumps(e["properties"]), batch))
    assert count_violations(connection, DAYS) == []
    counted = connection.execute("select sum(events)::int from ops.contract_days").fetchone()
    assert counted == (len(events),)
    planned = connection.execute("select count(*) from ops.contract_drift where state <> 'as planned'").fetchone()
    assert planned == (0,)
