"""Turns a valid plan into the rows of `config.*`. Pure: no file but for line numbers, no database."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlglot import exp

from analytics_pipeline.errors import PlanError
from analytics_pipeline.tracking_plan import expressions, selectors
from analytics_pipeline.tracking_plan.hashes import Row, Tables, definition_hash, plan_parts
from analytics_pipeline.tracking_plan.read import line_of
from analytics_pipeline.tracking_plan.rules import rule_row
from analytics_pipeline.tracking_plan.schema import TrackingPlan
from analytics_pipeline.tracking_plan.schema.measures import Kpi
from analytics_pipeline.tracking_plan.schema.parts import Selector
from analytics_pipeline.warehouse.chunks import chunk_interval

T = TypeVar("T")


@dataclass(frozen=True)
class CompiledPlan:
    """What `config.*` will hold: table name to rows, and the hash of it all."""

    name: str
    plan_hash: str
    tables: Tables


def compile_plan(plan: TrackingPlan, path: Path) -> CompiledPlan:
    """Compile every expression of the plan.

    Args:
        plan: the validated plan.
        path: its file, for the line numbers of errors.

    Raises:
        PlanError: an expression can't be compiled; with file, line, value and remedy.
    """
    return _Compiler(plan, path).run()


class _Compiler:
    def __init__(self, plan: TrackingPlan, path: Path) -> None:
        self.plan, self.path = plan, path

    def run(self) -> CompiledPlan:
        plan = self.plan
        tables: Tables = {
            "events": [self._event(n) for n in plan.events],
            "properties": [
                {"event_name": n, "property": p, "is_required": v.required, "is_personal": v.personal}
                | {"type": v.type, "possible_values": v.values, "description": v.description}
                | {"is_shared": p not in e.properties}
                for n, e in plan.events.items()
                for p, v in {**plan.properties, **e.properties}.items()
            ],
            "rates": [
                {"currency": c, "valid_from": d.isoformat(), "rate": r}
                for c, rates in plan.rates.items()
                for d, r in rates.items()
            ],
            "excluded_traffic": [
                {"rule": n, "position": i, "condition_sql": self._condition(w, "exclude", n)}
                for i, (n, w) in enumerate(plan.exclude.items())
            ],
            "calendar": [
                {"kind": o.kind, "title": o.title, "first_day": o.first_day, "last_day": o.last_day or o.first_day}
                for o in plan.calendar
            ],
            "dimensions": [self._dimension(i, n, v) for i, (n, v) in enumerate(plan.dimensions.items())],
            "segments": [self._segment(i) for i in range(len(plan.segments))],
        }
        base, head = self._base(tables), self._head()
        self._measures(tables, base)
        self._funnels(tables, base["events"])
        tables["retentions"] = [self._retention(n, base["events"], tables["dimensions"]) for n in plan.retentions]
        tables["flows"] = [self._flow(n, base["sessions"]) for n in plan.flows]
        tables["conversions"] = [self._conversion(n, base["events"]) for n in plan.conversions]
        tables["rules"] = [rule_row(n, r, tables["measures"], self._try, self._error) for n, r in plan.rules.items()]
        tables["parts"] = plan_parts(head, tables, base)
        tiers = plan.tiers
        tables["storage"] = [
            {"chunk_interval": chunk_interval(plan.events_per_day)}
            | {"hot": tiers.hot, "warehouse": tiers.warehouse, "cold": tiers.cold}
        ]
        quiet = plan.alerts.quiet_hours
        hours = {"quiet_from": quiet.start, "quiet_to": quiet.end, "hold": quiet.hold} if quiet else {}
        tables["alerting"] = [{"default_owner": plan.alerts.owner, **hours}]
        tables["owners"] = [{"owner": owner, "emails": emails} for owner, emails in plan.alerts.owners.items()]
        digest = definition_hash(head, tables)
        return CompiledPlan(plan.name, digest, {"plan": [{**head, "plan_hash": digest}], **tables})

    def _base(self, tables: Tables) -> dict[str, Any]:
        """What every number over events, or over sessions, rests on."""
        plan = self.plan
        kinds = sorted((e["event_name"], e["is_activity"], e["is_page"]) for e in tables["events"])
        events = [
            plan.timezone,
            plan.week_start,
            plan.identity,
            kinds,
            tables["excluded_traffic"],
            plan.currency,
            tables["rates"],
        ]
        return {"events": events, "sessions": [*events, plan.session_timeout, plan.max_session_hours]}

    def _head(self) -> Row:
        plan = self.plan
        money = plan.revenue
        return {
            "name": plan.name,
            "title": plan.title,
            "timezone": plan.timezone,
            "week_start": plan.week_start,
            "currency": plan.currency,
            "start": plan.start.isoformat(),
            "identity_mode": plan.identity,
            "session_timeout": plan.session_timeout,
            "max_session_hours": plan.max_session_hours,
            "values_per_dimension": plan.values_per_dimension,
            "unknown_events": plan.unknown_events,
            "conversion_sql": self._selected(plan.conversion, "conversion") if plan.conversion else "false",
            "revenue_sql": _one_of(money.events if money else []),
            "refund_sql": _one_of(money.refunds if money else []),
            "engagement": plan.engagement.model_dump(),
            "churn_after": plan.churn.inactive,
            "document": json.loads(plan.model_dump_json(by_alias=True)),
        }

    def _try(self, loc: tuple[str | int, ...], function: Callable[..., T], *arguments: Any) -> T:
        try:
            return function(*arguments)
        except expressions.ExpressionError as error:
            raise self._error(loc, str(error)) from None

    def _error(self, loc: tuple[str | int, ...], message: str) -> PlanError:
        return PlanError(f"{self.path}:{line_of(self.path, *loc)}: {'.'.join(map(str, loc))}: {message}")

    def _condition(self, text: str, *loc: str | int, columns: frozenset[str] = expressions.EVENT_COLUMNS) -> str:
        return expressions.to_sql(self._try(loc, expressions.condition, text, columns))

    def _value(self, text: str, *loc: str | int) -> str:
        return expressions.to_sql(self._try(loc, expressions.value, text, expressions.EVENT_COLUMNS))

    def _selected(self, selector: Selector, *loc: str | int) -> str:
        return expressions.to_sql(self._try(loc, selectors.selected, selector))

    def _event(self, name: str) -> Row:
        event = self.plan.events[name]
        return {
            "event_name": name,
            "description": event.description,
            "is_activity": event.activity,
            "is_page": event.page,
            "contract": event.contract,
            "keep": event.keep,
            "sampled": event.sampled,
        }

    def _dimension(self, position: int, name: str, text: str) -> Row:
        sql = self._value(text, "dimensions", name)
        digest = definition_hash(sql, self.plan.values_per_dimension)
        return {"dimension": name, "position": position, "expression_sql": sql, "definition_hash": digest}

    def _segment(self, position: int) -> Row:
        segment = self.plan.segments[position]
        condition = self._condition(segment.where, "segments", position, "where", columns=expressions.PERSON_COLUMNS)
        return {
            "segment": segment.name,
            "position": position,
            "title": segment.title or segment.name,
            "condition_sql": condition,
        }

    def _known(self, loc: tuple[str | int, ...], names: list[str]) -> None:
        for unknown in [n for n in names if n not in self.plan.dimensions]:
            raise self._error(loc, f"{unknown!r} is not one of {', '.join(self.plan.dimensions)}")

    def _measures(self, tables: Tables, base: dict[str, Any]) -> None:
        measures: Tables = {"measures": []}
        for name, measure in self.plan.measures.items():
            columns = self._try(("measures", name), selectors.measure_columns, measure)
            row = {"measure": name, "relation": measure.relation, **columns}
            rests_on = [base["sessions"], self.plan.conversion] if measure.relation == "sessions" else base["events"]
            measures["measures"].append({**row, "definition_hash": definition_hash(row, rests_on)})
        kpis = [self._kpi(i, n, k, tables, measures["measures"]) for i, (n, k) in enumerate(self.plan.kpis.items())]
        for row in measures["measures"]:
            used = [k for k in kpis if row["measure"] in k["measures"]]
            row["dimensions"] = [d for d in self.plan.dimensions if any(d in k["dimensions"] for k in used)]
            row["is_hourly"] = any("hour" in k["grains"] for k in used)
        tables["measures"], tables["kpis"] = measures["measures"], kpis

    def _kpi(self, position: int, name: str, kpi: Kpi, tables: Tables, measures: list[Row]) -> Row:
        by_name = {m["measure"]: m for m in measures}
        loc = ("kpis", name, "formula")
        numerator, denominator = self._try(loc, expressions.ratio, kpi.formula, frozenset(by_name))
        self._known(("kpis", name, "dimensions"), kpi.dimensions)
        used = sorted({c.name for side in (numerator, denominator) if side for c in side.find_all(exp.Column)})
        for measure in used if "hour" in kpi.grains else []:
            if by_name[measure]["relation"] == "active_users" or by_name[measure]["is_per_item"]:
                raise self._error(("kpis", name, "grains"), f"measure {measure!r} has no value by hour: leave out hour")
        dimensions = {d["dimension"]: d["definition_hash"] for d in tables["dimensions"]}
        inputs = [(m, by_name[m]["definition_hash"]) for m in used], [(d, dimensions[d]) for d in kpi.dimensions]
        return {
            "kpi_name": name,
            "position": position,
            **kpi.model_dump(),
            "numerator_sql": expressions.to_sql(numerator),
            "denominator_sql": expressions.to_sql(denominator) if denominator else None,
            "measures": used,
            "definition_hash": definition_hash(kpi.formula, inputs),
        }

    def _funnels(self, tables: Tables, base: list[Any]) -> None:
        tables["funnels"], tables["funnel_steps"], tables["funnel_exclusions"] = [], [], []
        for name, funnel in self.plan.funnels.items():
            steps = [
                {"funnel": name, "step": i, "condition_sql": self._selected(s, "funnels", name, "steps", i - 1)}
                for i, s in enumerate(funnel.steps, 1)
            ]
            exclusions = [
                {"funnel": name, "position": i, "from_step": e.from_step, "to_step": e.to_step}
                | {"condition_sql": self._selected(e, "funnels", name, "exclude", i - 1)}
                for i, e in enumerate(funnel.exclude, 1)
            ]
            at_step = isinstance(funnel.breakdown_value, int)
            row = {
                "funnel": name,
                "step_order": funnel.order,
                "conversion_window": funnel.window,
                "breakdown_value": "step" if at_step else funnel.breakdown_value,
                "breakdown_step": funnel.breakdown_value if at_step else None,
            }
            digest = definition_hash(row, steps, exclusions, base)
            tables["funnels"].append({**row, "title": funnel.title or name, "definition_hash": digest})
            tables["funnel_steps"] += [{**s, "title": f.label} for s, f in zip(steps, funnel.steps, strict=True)]
            tables["funnel_exclusions"] += exclusions

    def _retention(self, name: str, base: list[Any], dimensions: list[Row]) -> Row:
        retention = self.plan.retentions[name]
        self._known(("retentions", name, "dimensions"), retention.dimensions)
        row = {
            "retention": name,
            "mode": retention.mode,
            "grain": retention.grain,
            "periods": retention.periods,
            "is_rolling": retention.rolling,
            "start_sql": self._selected(retention.start, "retentions", name, "start"),
            "return_sql": self._selected(retention.returning, "retentions", name, "return"),
            "dimensions": retention.dimensions,
        }
        used = [d["definition_hash"] for d in dimensions if d["dimension"] in retention.dimensions]
        return {**row, "title": retention.title or name, "definition_hash": definition_hash(row, used, base)}

    def _flow(self, name: str, base: list[Any]) -> Row:
        flow = self.plan.flows[name]
        row = {
            "flow": name,
            "sequence_by": flow.by,
            "node_sql": self._value(flow.node, "flows", name, "node"),
            "condition_sql": self._selected(flow.events, "flows", name, "events"),
        }
        return {**row, "title": flow.title or name, "definition_hash": definition_hash(row, base)}

    def _conversion(self, name: str, base: list[Any]) -> Row:
        pair = self.plan.conversions[name]
        row = {
            "conversion": name,
            "opportunity_sql": self._selected(pair.opportunity, "conversions", name, "opportunity"),
            "conversion_sql": self._selected(pair.conversion, "conversions", name, "conversion"),
            "conversion_window": pair.window,
            "match_sql": self._value(pair.match, "conversions", name, "match") if pair.match else None,
        }
        return {**row, "title": pair.title or name, "definition_hash": definition_hash(row, base)}


def _one_of(names: list[str]) -> str:
    if not names:
        return "false"
    return expressions.to_sql(exp.column("event_name").isin(*[exp.Literal.string(n) for n in names]))
