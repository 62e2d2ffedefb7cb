"""`doctor --tune`: the server's settings beside those that suit its machine. The rules are in `warehouse.tuning`."""

import re
import shutil
import textwrap
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from analytics_pipeline.errors import UsageError
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse import tuning
from analytics_pipeline.warehouse.connection import Capabilities, capabilities, configured_warehouse, open_warehouse
from analytics_pipeline.warehouse.machine import Machine, this_machine
from analytics_pipeline.warehouse.tuning import Suggestion, size, suggest

_OUTDOES_ALTER_SYSTEM = {
    "command line": "the server's command line",
    "environment variable": "the server's environment",
    "database": "alter database",
    "user": "alter role",
    "database user": "alter role in database",
    "client": "the connection's options",
}
_LEFT_TO_THE_PIPELINE = 2 * tuning.GB
_ROOM_FOR_REASONS = 40


@dataclass(frozen=True)
class Advice:
    """A suggestion beside what the server has; outdone_by is empty where alter system decides."""

    suggestion: Suggestion
    current: str
    restart: str
    outdone_by: str

    @property
    def is_fine(self) -> bool:
        """Nothing is to be done."""
        return self.suggestion.suits(self.current)

    @property
    def statement(self) -> str:
        """What sets it."""
        name, value = sql.SQL(self.suggestion.name), sql.Literal(self.suggestion.value)
        return sql.SQL("alter system set {} = {};").format(name, value).as_string()


def tune(settings: Settings, memory: str | None, cores: int | None, form: str) -> str:
    """The advice as a table for people, or as SQL for psql.

    Args:
        settings: of the home.
        memory: that the server may use, such as 32GB; None for what this machine has, less what the pipeline needs.
        cores: likewise; None for this machine's.
        form: table or sql.

    Raises:
        UsageError: the server is on a machine that nobody has described.
    """
    machine = machine_of(configured_warehouse(settings).is_embedded, memory, cores)
    with open_warehouse(settings) as warehouse, warehouse.connect(autocommit=True) as connection:
        can = capabilities(connection)
        advice = advise(connection, machine, can)
        extension = (
            f"TimescaleDB {can.timescaledb_version} ({can.timescaledb})" if can.timescaledb_version else "no TimescaleDB"
        )
        title = (
            f"PostgreSQL {can.server_version // 10000}, {extension}, at {warehouse.place}: settings for "
            f"{size(machine.memory)} and {machine.cores} core{'s' * (machine.cores > 1)} ({machine.origin}), and SSDs"
        )
    return as_sql(title, advice) if form == "sql" else as_table(title, advice, shutil.get_terminal_size((140, 24)).columns)


def machine_of(is_embedded: bool, memory: str | None, cores: int | None) -> Machine:
    """The machine that the server is on. SQL can't ask for it, so another server's has to be described.

    Raises:
        UsageError: it is not described, or not by a size.
    """
    if memory is not None and cores is not None:
        return Machine(_read_size(memory), cores, "as given")
    if not is_embedded:
        raise UsageError(
            "ANALYTICS_DATABASE_URL names a server whose memory and cores can't be asked for by SQL, and settings for another "
            "machine could keep it from starting: say what it may use, for example --memory 32GB --cores 8"
        )
    here = this_machine()
    left = min(_LEFT_TO_THE_PIPELINE, here.memory // 2)
    cores = min(cores or here.cores, tuning.MOST_CORES)
    if memory is not None:
        return Machine(_read_size(memory), cores, "memory as given, cores of this machine")
    origin = f"of this machine, {size(left)} left to the pipeline"
    return Machine(max(here.memory - left, tuning.LEAST_MEMORY), cores, origin)


def _read_size(text: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([MGT])i?B?", text.strip(), re.IGNORECASE)
    memory = int(tuning.magnitude(f"{found[1]}{found[2].upper()}B") or 0) if found else 0
    if not tuning.LEAST_MEMORY <= memory <= tuning.MOST_MEMORY:
        least, most = size(tuning.LEAST_MEMORY), size(tuning.MOST_MEMORY)
        raise UsageError(f"--memory {text!r} is not a size from {least} to {most}: write for example 32GB")
    return memory


def advise(connection: psycopg.Connection, machine: Machine, can: Capabilities) -> list[Advice]:
    """Hold the suggestions against what the server has."""
    rows = connection.execute("select name, current_setting(name), context, pending_restart, source, enumvals from pg_settings")
    there: dict[str, list[Any]] = {name: rest for name, *rest in rows}
    # Builds of TimescaleDB without its loader, such as the one in WebAssembly, have no background workers.
    workers = there.get("timescaledb.max_background_workers")
    suggestions = suggest(
        machine.memory,
        machine.cores,
        can,
        int(there["max_connections"][0]),
        _chunks(connection, can),
        has_lz4="lz4" in there["wal_compression"][4],
        timescale_workers=int(workers[0]) if workers else None,
    )
    return [_beside(suggestion, *there[suggestion.name]) for suggestion in suggestions]


def _beside(suggestion: Suggestion, current: str, context: str, is_pending: bool, source: str, _: object) -> Advice:
    outdone_by = _OUTDOES_ALTER_SYSTEM.get(source, "")
    # The server also calls a change pending that its command line will outdo again.
    needed = "yes, pending" if is_pending and not outdone_by else "yes"
    return Advice(suggestion, current, needed if context == "postmaster" else "no", outdone_by)


def _chunks(connection: psycopg.Connection, can: Capabilities) -> int:
    """Chunks of hypertables, and partitions."""
    partitions = "select count(*) from pg_inherits as i inner join pg_class as c on c.oid = i.inhparent where c.relkind = 'p'"
    found = (connection.execute(partitions).fetchone() or (0,))[0]
    if can.timescaledb != "none":
        found += (connection.execute("select count(*) from timescaledb_information.chunks").fetchone() or (0,))[0]
    return int(found)


def as_table(title: str, advice: list[Advice], columns: int) -> str:
    """For people: the reasons in a last column, or under each row where the terminal is narrow."""
    head = ("", "setting", "now", "suggested", "restart")
    cells = [("✓" if a.is_fine else "→", a.suggestion.name, a.current, a.suggestion.value, a.restart) for a in advice]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    left = sum(widths) + 2 * len(widths)
    is_wide = columns - left >= _ROOM_FOR_REASONS
    lines = [*textwrap.wrap(title, columns), ""]
    for row, reason in zip((head, *cells), ("why" if is_wide else "", *(a.suggestion.reason for a in advice)), strict=True):
        start = "".join(cell.ljust(width + 2) for cell, width in zip(row, widths, strict=True))
        if is_wide:
            lines += textwrap.wrap(reason, columns, initial_indent=start, subsequent_indent=" " * left)
        else:
            lines += [start.rstrip(), *textwrap.wrap(reason, columns, initial_indent=" " * 5, subsequent_indent=" " * 5)]
    return "\n".join([*lines, "", *textwrap.wrap(_summary(advice), columns)])


def as_sql(title: str, advice: list[Advice]) -> str:
    """For psql; not within a transaction. What is fine, or beyond the reach of alter system, is a comment."""
    lines = [f"-- {title}"]
    for a in advice:
        if a.is_fine:
            lines += ["", f"-- {a.suggestion.name} = {a.current} is fine: {a.suggestion.reason}"]
            continue
        lines += ["", f"-- now {a.current}; {a.suggestion.reason}" + ("" if a.restart == "no" else " (takes a restart)")]
        if a.outdone_by:
            lines += [f"-- set by {a.outdone_by}, which alter system does not outdo: change it there", f"-- {a.statement}"]
        else:
            lines.append(a.statement)
    return "\n".join([*lines, "", f"-- {_summary(advice)}", "select pg_reload_conf();"])


def _summary(advice: list[Advice]) -> str:
    """What is left to do, in a sentence or two."""
    due = [a for a in advice if not a.is_fine]
    said = [f"{len(advice) - len(due)} of {len(advice)} settings are fine."]
    if restarts := [a.suggestion.name for a in due if a.restart != "no" and not a.outdone_by]:
        said.append(f"Restart the server afterwards for {', '.join(restarts)}.")
    for place in sorted({a.outdone_by for a in due if a.outdone_by}):
        names = ", ".join(a.suggestion.name for a in due if a.outdone_by == place)
        said.append(f"{place[0].upper()}{place[1:]} sets {names}, and alter system does not outdo it.")
    return " ".join(said)
