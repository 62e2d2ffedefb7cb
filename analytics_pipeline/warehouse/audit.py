"""The audit log: who or what changed a definition or what is stored, when, and what was computed again.

The chain of hashes is made by the server (migration 0005), and verified here by a second way.
"""

import hashlib
import json
import os
import pwd
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from analytics_pipeline.settings import load_settings

BEFORE_THE_FIRST = "0" * 64
"""What the first entry holds as the hash of the one before; the newest hash of an empty log."""

RUN_NAME = "dagster run "
"""Connections of a Dagster run call themselves this and its id (application_name)."""

_TRIGGERS = (("audit_log", "append"), ("audit_log", "refuse"), ("audit_head", "refuse"), ("audit_head", "refuse_by_hand"))

Entry = tuple[int, str, str, str, str, str, str, str]
"""A row of ops.audit_log, with the time (UTC, microseconds) and the details as text."""


@dataclass(frozen=True)
class Verdict:
    """What a look at the whole log found.

    Attributes:
        entries: that are there and were read.
        newest_hash: of the last of them. Whoever keeps it elsewhere can tell later whether the log still holds all of this.
        broken_entry: the first that is wrong or missing; None where all is well.
        fault: what is wrong; empty where all is well.
    """

    entries: int
    newest_hash: str
    broken_entry: int | None = None
    fault: str = ""


def record(
    connection: psycopg.Connection, action: str, subject: str, details: dict[str, Any], actor: str | None = None
) -> None:
    """Add an entry, in the caller's transaction, as the last thing that it does: other writers wait for its end.

    Args:
        connection: inside of the transaction that makes the change.
        action: what was done, a few words such as "publish plan".
        subject: to what: the name of a plan, a batch, a table.
        details: old and new hashes, counts; what JSON does not know (times, ids) as text. No personal data and no secret: an
            entry stays for ever.
        actor: who; default: see `actor_of`.
    """
    connection.execute(
        "insert into ops.audit_log (actor, action, subject, details) values (%s, %s, %s, %s)",
        (actor or actor_of(connection), action, subject, Jsonb(details, dumps=partial(json.dumps, default=str))),
    )


def actor_of(connection: psycopg.Connection) -> str:
    """What ANALYTICS_ACTOR says, or else the user of the operating system; the database's user; the Dagster run, in one."""
    who = load_settings().actor or _operating_system_user()
    name = connection.info.parameter_status("application_name") or ""
    run = f", {name}" if name.startswith(RUN_NAME) else ""
    return f"{who} as {connection.info.user}{run}"


def _operating_system_user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # containers may run as a number that nobody has named
        return f"uid {os.geteuid()}"


def verify(connection: psycopg.Connection, kept_hash: str | None = None) -> Verdict:
    """Compute the whole chain again, and hold it against what the server counted.

    Args:
        connection: to the warehouse.
        kept_hash: the newest hash of an earlier day, which has to be that of an entry.
    """
    with connection.transaction():
        # The head first: entries that are written meanwhile lie beyond it.
        head = connection.execute("select entry_id, entry_hash from ops.audit_head").fetchone() or (0, BEFORE_THE_FIRST)
        with connection.cursor("audit_entries") as cursor:
            cursor.itersize = 5_000
            cursor.execute(
                """
                select
                    entry_id, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), actor, action, subject,
                    details::text, previous_hash, entry_hash
                from ops.audit_log order by entry_id
                """
            )
            verdict = verified(cursor, head, kept_hash)
        return verdict if verdict.fault else _with_triggers(connection, verdict)


def verified(entries: Iterable[Entry], head: tuple[int, str], kept_hash: str | None = None) -> Verdict:
    """The same over entries that were read, in order."""
    count, newest, hash_at_head = 0, BEFORE_THE_FIRST, BEFORE_THE_FIRST
    is_kept = kept_hash in (None, BEFORE_THE_FIRST)
    for entry in entries:
        entry_id, previous_hash, entry_hash = entry[0], entry[6], entry[7]
        if entry_id != count + 1:
            return Verdict(count, newest, count + 1, f"entry {count + 1} is missing")
        if previous_hash != newest:
            return Verdict(count, newest, entry_id, f"entry {entry_id} does not follow entry {count}: one of them was replaced")
        if entry_hash != _hash_of(entry):
            return Verdict(count, newest, entry_id, f"entry {entry_id} was changed after it was written")
        count, newest = entry_id, entry_hash
        hash_at_head = newest if count == head[0] else hash_at_head
        is_kept = is_kept or newest == kept_hash
    if count < head[0]:
        return Verdict(count, newest, count + 1, f"entries {count + 1} to {head[0]} are missing: the end was cut off")
    if head[1] != hash_at_head:
        return Verdict(count, newest, head[0], f"entry {head[0]} is not the one that was written")
    if not is_kept:
        return Verdict(
            count, newest, count + 1, f"no entry has the hash {kept_hash}: the end was cut off, or all was written anew"
        )
    return Verdict(count, newest)


def _hash_of(entry: Entry) -> str:
    """SHA-256 over all parts but the hash itself, each with its length in bytes before it."""
    entry_id, *texts, previous_hash, _ = entry
    encoded = (part.encode() for part in (previous_hash, str(entry_id), *texts))
    return hashlib.sha256(b"".join(b"%d:%s," % (len(part), part) for part in encoded)).hexdigest()


def _with_triggers(connection: psycopg.Connection, verdict: Verdict) -> Verdict:
    """A log that can be changed is none, even if nobody has done so yet."""
    rows = connection.execute(
        """
        select relation.relname, t.tgname from pg_trigger as t
        inner join pg_class as relation on relation.oid = t.tgrelid
        inner join pg_namespace as n on n.oid = relation.relnamespace
        where n.nspname = 'ops' and t.tgenabled in ('O', 'A')
        """
    ).fetchall()
    off = [f"{trigger} on ops.{table}" for table, trigger in _TRIGGERS if (table, trigger) not in rows]
    if not off:
        return verdict
    return Verdict(verdict.entries, verdict.newest_hash, None, f"the trigger {off[0]} is off or gone: entries can be changed")
