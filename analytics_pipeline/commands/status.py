"""`status`: what is there, how fresh, what failed, where."""

from datetime import UTC, datetime
from textwrap import indent
from typing import Any

from analytics_pipeline.commands.pending import pending_steps
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import Warehouse, capabilities


def status(settings: Settings, warehouse: Warehouse) -> dict[str, Any]:
    """Everything that `status --json` prints."""
    with warehouse.connect(autocommit=True) as connection:
        can = capabilities(connection)
        build = connection.execute("select build_id, as_of, finished_at from ops.published_build").fetchone()
        last = connection.execute(
            "select status, reason, started_at from ops.builds order by started_at desc limit 1"
        ).fetchone()
        books = connection.execute(
            """
            select coalesce(sum(rows_read), 0), coalesce(sum(rows_accepted), 0), coalesce(sum(rows_duplicate), 0),
                coalesce(sum(rows_quarantined), 0), max(max_occurred_at)
            from raw.ingest_batches where status = 'loaded'
            """
        ).fetchone() or (0, 0, 0, 0, None)
        failed = connection.execute(
            "select uri, error from raw.ingest_batches where status = 'failed' order by started_at desc limit 5"
        ).fetchall()
        loads = connection.execute(
            """
            select batch_id, uri, status, kind, rows_read, rows_accepted, finished_at from raw.ingest_batches
            where status in ('loaded', 'revoked') order by started_at desc limit 5
            """
        ).fetchall()
        stored = connection.execute(
            "select relation, policy, setting, owner, ran_at, summary from ops.policies order by relation, policy"
        ).fetchall()
        alerts = connection.execute(
            """
            select incident, severity, owner, title, opened_at, occurrences from ops.alerts
            where closed_at is null order by severity, opened_at
            """
        ).fetchall()
        state = connection.execute("select stale_since, blocked_by, reason, accepted from ops.publication").fetchone()
        held = connection.execute(
            """
            select batch_id, uri, gate_reason from raw.ingest_batches
            where gate_status = 'held' and status = 'loaded' order by uri
            """
        ).fetchall()
        steps = pending_steps(connection, settings)
    return {
        "home": str(settings.home),
        "warehouse": {
            "place": warehouse.place,
            "embedded": warehouse.is_embedded,
            "server": can.server_version // 10000,
            "timescaledb": can.timescaledb,
            "raw_events": can.raw_events,
        },
        "events": dict(zip(("read", "accepted", "duplicate", "quarantined"), map(int, books[:4]), strict=True)),
        "latest_event_at": books[4].isoformat() if books[4] else None,
        "published": {"build_id": str(build[0]), "as_of": build[1].isoformat(), "at": build[2].isoformat()} if build else None,
        "age_hours": round((datetime.now(UTC) - build[1]).total_seconds() / 3600, 2) if build else None,
        "last_build": {"status": last[0], "reason": last[1], "at": last[2].isoformat()} if last else None,
        "alerts": [
            {"incident": i, "severity": s, "owner": o, "title": t, "since": at.isoformat(), "occurrences": n}
            for i, s, o, t, at, n in alerts
        ],
        "stale": {"since": state[0].isoformat(), "gate": state[1], "reason": state[2]} if state and state[0] else None,
        "accepted": state[3] if state else None,
        "held_batches": [{"batch_id": str(i), "uri": u, "reason": r} for i, u, r in held],
        "failed_files": [{"uri": uri, "error": error} for uri, error in failed],
        "last_loads": [
            {"batch_id": str(i), "uri": u, "status": s, "kind": k, "read": r, "accepted": a, "at": at.isoformat()}
            for i, u, s, k, r, a, at in loads
        ],
        "policies": [
            {"relation": r, "policy": p, "setting": s, "owner": o, "ran_at": at.isoformat() if at else None, "summary": t}
            for r, p, s, o, at, t in stored
        ],
        "steps": [{"title": s.title, "due": s.due, "state": s.state} for s in steps if s.assets],
    }


def written(report: dict[str, Any]) -> str:
    """For people."""
    server, events, published, _last = (report[k] for k in ("warehouse", "events", "published", "last_build"))
    lines = [
        f"Home       {report['home']}",
        f"Warehouse  {server['place']}, PostgreSQL {server['server']}, TimescaleDB: {server['timescaledb']}"
        + (", embedded" if server["embedded"] else ""),
        f"Events     {events['read']:,} read = {events['accepted']:,} accepted + {events['duplicate']:,} duplicate + "
        f"{events['quarantined']:,} quarantined; the latest happened {report['latest_event_at'] or 'never'}",
        f"Published  as of {published['as_of']}, {report['age_hours']} hours ago" if published else "Published  nothing yet",
    ]
    if report["stale"]:
        lines.append(
            f"STALE      since {report['stale']['since'][:16]}, {report['stale']['gate']} gate: "
            + indent(report["stale"]["reason"], " " * 11).lstrip()
        )
    lines += [f"HELD       {h['batch_id']}  {h['uri']}: {h['reason']}" for h in report["held_batches"]]
    if report["accepted"]:
        lines.append(f"ACCEPTED   published although checks failed: {report['accepted']}")
    lines += [f"ALERT      {a['severity']}, since {a['since'][:16]}: {a['title']} ({a['owner']})" for a in report["alerts"]]
    lines += [f"BROKEN     {f['error']}" for f in report["failed_files"]]
    lines += ["", "Last loads"] + [
        f"  {load['batch_id']}  {load['read']:>10,} read {load['accepted']:>10,} accepted  {load['uri']}"
        + (" (replay)" if load["kind"] == "replay" else "")
        + (" (revoked)" if load["status"] == "revoked" else "")
        for load in report["last_loads"]
    ]
    if report["policies"]:
        lines += ["", "Storage"] + [
            f"  {p['relation']:<20} {p['policy']:<32} {p['setting']:<34} {p['summary']}" for p in report["policies"]
        ]
    lines += [""] + [
        f"  {'·' if s['due'] else '✓'} {s['title']:<15} {s['due'] or 'up to date'}  {s['state']}" for s in report["steps"]
    ]
    return "\n".join(lines)
