"""Random histories of a product: what happens, in which order it arrives, and what goes wrong on the way."""

import json
import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.files import load_file
from analytics_pipeline.ingest.revoke import revoke
from analytics_pipeline.modelling.builds import begin_build
from analytics_pipeline.modelling.publish import TABLES, publish_build
from analytics_pipeline.quality.holds import release_pending
from tests.property.compiled import CompiledProject

FIRST = datetime(2026, 3, 22, tzinfo=UTC)  # the clock changes on the 29th
DAYS = 12
RECEIVED = (FIRST + timedelta(days=20)).isoformat()
Event = dict[str, Any]


def random_event(rng: random.Random) -> Event:
    """One of few persons at one of few instants, so that ties, links and long sessions happen."""
    minutes = rng.choice([0, 15, 30, 31, 60]) + 30 * rng.randrange(2 * 24 * DAYS)
    user = rng.choice(["u1", "u2", "u3", None, None])
    properties = {"plan": rng.choice(["a", "b", "c", "d"])} if rng.random() < 0.5 else {}
    return {
        "event_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "event_name": rng.choices(["view", "cart", "buy", "back", "ping"], [6, 4, 3, 1, 2])[0],
        "occurred_at": (FIRST + timedelta(minutes=minutes)).isoformat(),
        "received_at": RECEIVED,
        "user_id": user,
        "anonymous_id": rng.choice(["a1", "a2", "a3", "a4", None]),
        "session_id": rng.choice([None, None, None, "s1", "s2"]),
        "country": rng.choices(["DE", "AT", "CH", "FR", None], [5, 4, 3, 2, 2])[0],
        "value": rng.choice([10, 2.5, 7, None]),
        "currency": rng.choice([None, "EUR", "USD", "GBP"]),
        "properties": {**properties, "tester": "yes"} if rng.random() < 0.05 else properties,
    }


@dataclass
class History:
    """Plays a random history in a warehouse of its own.

    Attributes:
        connection: autocommit, to a migrated database with the plan.
        project: runs the builds.
        folder: for the files that are loaded.
        rng: decides everything.
    """

    connection: psycopg.Connection
    project: CompiledProject
    folder: Path
    rng: random.Random

    def play(self) -> datetime:
        """Load, revoke, build, kill, in random order. Returns the as_of of the last build."""
        rng = self.rng
        events = [random_event(rng) for _ in range(rng.randint(15, 90))]
        batches: list[list[Event]] = [[] for _ in range(rng.randint(1, 6))]
        for event in events:
            for batch in rng.choices(batches, k=2 if rng.random() < 0.08 else 1):
                batch.append(event)
        as_of = FIRST + timedelta(days=rng.randint(1, 8), hours=rng.randrange(24))
        for batch in filter(None, batches):
            if rng.random() < 0.15:
                self.load_behind_the_freeze(batch, as_of)
            else:
                self.load(batch)
            if rng.random() < 0.2:
                self.revoke()
            if rng.random() < 0.7:
                self.build(as_of, dies=rng.random() < 0.15)
            as_of += timedelta(hours=rng.choice([0, 1, 24, 30, 72, -20]))
        self.build(as_of)
        return as_of

    def load(self, batch: list[Event]) -> None:
        path = self.folder / f"{uuid.UUID(int=self.rng.getrandbits(128))}.ndjson"
        path.write_text("".join(json.dumps(e) + "\n" for e in self.rng.sample(batch, len(batch))))
        load_file(self.connection, path, load_mapping("envelope"), "envelope")

    def load_behind_the_freeze(self, batch: list[Event], as_of: datetime) -> None:
        """The batch commits while a build is under way that must not see any of it."""
        release_pending(self.connection)
        build = begin_build(self.connection, as_of)
        self.load(batch)
        self.project.build(self.connection, build)
        publish_build(self.connection, build)

    def revoke(self) -> None:
        rows = self.connection.execute(
            "select batch_id from raw.ingest_batches where status = 'loaded' order by uri"
        ).fetchall()
        if rows:
            revoke(self.connection, str(self.rng.choice(rows)[0]))

    def build(self, as_of: datetime, *, full: bool = False, dies: bool = False) -> None:
        release_pending(self.connection)
        build = begin_build(self.connection, as_of, full_refresh=full)
        if dies:
            self.project.build(self.connection, build, stop_after=self.rng.randrange(len(self.project.models)))
        else:
            self.project.build(self.connection, build)
            publish_build(self.connection, build)

    def published(self) -> dict[str, list[str]]:
        """All published rows as text, in an order that does not depend on the build."""
        return {
            f"{t.schema}.{t.name}": [
                row[0] for row in self.connection.execute(f"select x::text from {t.schema}.{t.name} as x order by 1".encode())
            ]
            for t in TABLES
        }
