import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from analytics_pipeline.commands.doctor import BOOKS
from analytics_pipeline.errors import UsageError
from analytics_pipeline.events.mapping import Mapping, load_mapping
from analytics_pipeline.ingest.batch import Batch
from analytics_pipeline.ingest.files import load_file
from analytics_pipeline.ingest.known_files import event_files, unseen
from analytics_pipeline.ingest.replay import replay
from analytics_pipeline.ingest.revoke import revoke
from tests.conftest import Builder

AT = datetime(2026, 2, 1, 10, tzinfo=UTC)
ENVELOPE = load_mapping("envelope")


def event(number: int, **values: Any) -> dict[str, Any]:
    at = AT + timedelta(hours=number)
    return {
        "event_id": str(uuid.UUID(int=number)),
        "event_name": "view",
        "occurred_at": at.isoformat(),
        "user_id": f"u{number}",
        **values,
    }


def load(connection: psycopg.Connection, path: Path, *events: dict[str, Any], mapping: Mapping = ENVELOPE) -> Batch:
    if events:
        path.write_text("\n".join(json.dumps(e) for e in events) + "\n")
    return load_file(connection, path, mapping, mapping.name)


def stored(connection: psycopg.Connection) -> list[int]:
    return sorted(row[0].int for row in connection.execute("select event_id from raw.events").fetchall())


def books_are_even(connection: psycopg.Connection) -> bool:
    read, accepted, duplicate, quarantined, events, refused, uneven = connection.execute(BOOKS).fetchone() or (0,) * 7
    return bool(read == accepted + duplicate + quarantined and events == accepted and refused == quarantined and uneven == 0)


def test_a_revoked_load_is_gone_noted_and_can_be_loaded_again(planned: psycopg.Connection, tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    batch = load(planned, path, event(1), event(20, anonymous_id="x"), event(3, value="much"))
    load(planned, tmp_path / "b.ndjson", event(4))
    planned.execute("delete from ops.changes")
    gone = revoke(planned, str(batch.batch_id)[:8])
    assert (gone.events, gone.quarantined, gone.uri) == (2, 1, str(path))
    assert stored(planned) == [4]
    assert planned.execute("select count(*) from raw.quarantine").fetchone() == (0,)
    changes = planned.execute("select cause, day::text, person_key from ops.changes order by 2, 3").fetchall()
    assert changes == [
        ("revoke", "2026-02-01", None),
        ("revoke", "2026-02-02", None),
        ("revoke", None, "a:x"),
        ("revoke", None, "u:u1"),
        ("revoke", None, "u:u20"),
    ]
    assert books_are_even(planned)
    assert unseen(planned, event_files([path]), "envelope") == [path]
    assert load(planned, path).accepted == 2
    assert books_are_even(planned)


def test_loads_that_had_duplicates_of_a_revoked_one_are_named(planned: psycopg.Connection, tmp_path: Path) -> None:
    first = load(planned, tmp_path / "a.ndjson", event(1), event(2))
    second = load(planned, tmp_path / "b.ndjson", event(2), event(3))
    load(planned, tmp_path / "c.ndjson", event(9))
    assert revoke(planned, str(first.batch_id)).overlapping == [(second.batch_id, str(tmp_path / "b.ndjson"))]


@pytest.mark.parametrize("name", ["nothing", "", "abc"])
def test_a_batch_that_is_not_there_is_refused(planned: psycopg.Connection, name: str) -> None:
    with pytest.raises(UsageError, match="status"):
        revoke(planned, name)


def test_a_batch_is_revoked_once(planned: psycopg.Connection, tmp_path: Path) -> None:
    batch = str(load(planned, tmp_path / "a.ndjson", event(1)).batch_id)
    revoke(planned, batch)
    with pytest.raises(UsageError, match="revoked"):
        revoke(planned, batch)


MENDED = Mapping.model_validate(
    {
        **ENVELOPE.model_dump(exclude={"fields"}),
        "fields": {**ENVELOPE.model_dump()["fields"], "occurred_at": {"path": "occurred_at", "zone": "UTC"}},
    }
)


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_a_replay_loads_what_a_mended_mapping_accepts_once(planned: psycopg.Connection, tmp_path: Path, form: str) -> None:
    rows = [
        event(1),
        event(2, occurred_at="2026-02-01 12:00:00"),
        event(3, occurred_at="yesterday"),
        event(4, occurred_at="2026-02-01 13:00:00", user_id='with, "quotes"'),
    ]
    path = tmp_path / f"a.{form}"
    if form == "csv":
        keys = list(rows[0])
        text = [",".join('"' + str(row[k]).replace('"', '""') + '"' for k in keys) for row in rows]
        path.write_text("\n".join([",".join(keys), *text]) + "\n")
        batch = load(planned, path)
    else:
        batch = load(planned, path, *rows)
    assert (batch.accepted, batch.quarantined) == (1, 3)
    assert [b.outcome for b in replay(planned, ENVELOPE, "envelope")] == ["nothing"]
    (again,) = replay(planned, MENDED, "envelope")
    assert (again.read, again.accepted, again.quarantined) == (2, 2, 0)
    assert stored(planned) == [1, 2, 4]
    assert planned.execute("select user_id from raw.events where event_id = %s", (uuid.UUID(int=4),)).fetchone() == (
        'with, "quotes"',
    )
    assert planned.execute("select reason_code from raw.quarantine where resolved_at is null").fetchall() == [("invalid_time",)]
    assert [b.outcome for b in replay(planned, MENDED, "envelope")] == ["nothing"]
    assert books_are_even(planned)


def test_a_replay_can_be_limited_to_a_reason(planned: psycopg.Connection, tmp_path: Path) -> None:
    load(
        planned,
        tmp_path / "a.ndjson",
        event(1, occurred_at="2026-02-01 12:00:00"),
        event(2, value="x", occurred_at="2026-02-01 12:00:00"),
    )
    assert replay(planned, MENDED, "envelope", "invalid_value") == []
    (batch,) = replay(planned, MENDED, "envelope", "time_without_zone")
    assert batch.accepted == 1
    assert planned.execute("select count(*) from raw.quarantine where resolved_at is null").fetchone() == (1,)


def test_revoking_a_load_takes_back_what_was_replayed_from_it(planned: psycopg.Connection, tmp_path: Path) -> None:
    batch = load(planned, tmp_path / "a.ndjson", event(1), event(2, occurred_at="2026-02-01 12:00:00"))
    (again,) = replay(planned, MENDED, "envelope")
    with pytest.raises(UsageError, match="revoke the batch that it came from"):
        revoke(planned, str(again.batch_id))
    assert revoke(planned, str(batch.batch_id)).events == 2
    assert stored(planned) == []
    assert books_are_even(planned)


@pytest.mark.slow
def test_after_a_revocation_the_published_numbers_are_those_without_the_load(builder: Builder, tmp_path: Path) -> None:
    as_of = AT + timedelta(days=3)
    load(builder.connection, tmp_path / "a.ndjson", event(1), event(5, event_name="buy", value=10))
    builder.build(as_of)
    before = builder.published()
    batch = load(
        builder.connection,
        tmp_path / "b.ndjson",
        event(6, user_id="u1", event_name="buy", value=99),
        event(7, anonymous_id="z"),
    )
    builder.build(as_of)
    changed = builder.published()
    revoke(builder.connection, str(batch.batch_id))
    builder.build(as_of)
    after = builder.published()
    assert changed["kpi.kpi_values"] != before["kpi.kpi_values"]
    assert after == before
