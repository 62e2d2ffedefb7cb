"""Hashes of definitions: what a number carries, and what tells which models a change of the plan builds again."""

import hashlib
import json
from typing import Any

Row = dict[str, Any]
Tables = dict[str, list[Row]]


def definition_hash(*parts: object) -> str:
    """The hash that a number carries: equal exactly when its definition is."""
    return hashlib.sha256(json.dumps(parts, default=str, sort_keys=True).encode()).hexdigest()[:16]


def plan_parts(head: Row, tables: Tables, base: dict[str, Any]) -> list[Row]:
    """The plan in parts, each with its hash: a model is built again in full when a part that it rests on changes."""
    hashed = ("dimensions", "retentions", "flows", "conversions")
    hashes = {table: [row["definition_hash"] for row in tables[table]] for table in hashed}
    parts: dict[str, Any] = {
        "clock": (head["timezone"], head["week_start"]),
        "identity": head["identity_mode"],
        "traffic": tables["excluded_traffic"],
        "events": base["events"],
        "sessions": base["sessions"],
        "session_conversion": head["conversion_sql"],
        "dimensions": (hashes["dimensions"], head["values_per_dimension"]),
        "measures": [(m["definition_hash"], m["dimensions"], m["is_hourly"]) for m in tables["measures"]],
        "kpis": [(k["definition_hash"], k["grains"], k["dimensions"]) for k in tables["kpis"]],
        "thresholds": [(k["kpi_name"], k["direction"], k["target"], k["warning"], k["critical"]) for k in tables["kpis"]],
        "funnels": [f["definition_hash"] for f in tables["funnels"]],
        "retentions": hashes["retentions"],
        "flows": hashes["flows"],
        "conversions": hashes["conversions"],
        "revenue": (head["revenue_sql"], head["refund_sql"]),
    }
    return [{"part": name, "part_hash": definition_hash(value)} for name, value in parts.items()]
