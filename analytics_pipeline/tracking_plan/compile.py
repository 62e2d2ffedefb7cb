"""Turns a valid plan into the rows of `config.*`. Pure: no file, no database."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlglot import exp

from analytics_pipeline.errors import PlanError
from analytics_pipeline.tracking_plan import expressions
from analytics_pipeline.tracking_plan.read import line_of
from analytics_pipeline.tracking_plan.schema import Kpi, Measure, TrackingPlan

Row = dict[str, Any]


@dataclass(frozen=True)
class CompiledPlan:
    """What `config.*` will hold: table name to rows, and the hash of it all."""

    name: str
    plan_hash: str
    tables: dict[str, list[Row]]


def definition_hash(*parts: object) -> str:
    """The hash that a number carries: equal exactly when its definition is."""
    return hashlib.sha256(json.dumps(parts, default=str, sort_keys=True).encode()).hexdigest()[:16]


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
        self.clock = (plan.timezone, plan.week_start, plan.identity)
        kinds = {name: (event.activity, event.page) for name, event in plan.events.items()}
        self.sessions = (plan.session_timeout, plan.max_session_hours, plan.conversion, kinds)

    def run(self) -> CompiledPlan:
        tables = {
            "events": [
                {"event_name": n, "description": e.description, "is_activity": e.activity, "is_page": e.page}
                for n, e in self.plan.events.items()
            ],
            "dimensions": [self._dimension(i, n, v) for i, (n, v) in enumerate(self.plan.dimensions.items())],
            "measures": [self._measure(n, m) for n, m in self.plan.measures.items()],
            "funnels": [],
            "funnel_steps": [],
            "retentions": [],
        }
        hashes = {m["measure"]: m["definition_hash"] for m in tables["measures"]}
        dimensions = {d["dimension"]: d["definition_hash"] for d in tables["dimensions"]}
        tables["kpis"] = [self._kpi(i, n, k, hashes, dimensions) for i, (n, k) in enumerate(self.plan.kpis.items())]
        for name in self.plan.funnels:
            self._funnel(name, tables)
        for name in self.plan.retentions:
            self._retention(name, tables)
        head = self._plan()
        digest = definition_hash(head, tables)
        return CompiledPlan(self.plan.name, digest, {"plan": [{**head, "plan_hash": digest}], **tables})

    def _plan(self) -> Row:
        plan = self.plan
        conversion = self._condition(plan.conversion, "conversion") if plan.conversion else "false"
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
            "conversion_sql": conversion,
            "document": json.loads(plan.model_dump_json(by_alias=True)),
        }

    def _condition(self, text: str, *loc: str, columns: frozenset[str] = expressions.EVENT_COLUMNS) -> str:
        if text == "any":
            return "is_activity"
        return expressions.to_sql(self._compile(loc, expressions.condition, text, columns))

    def _compile(self, loc: tuple[str, ...], function: Any, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except expressions.ExpressionError as error:
            line = line_of(self.path, *loc)
            raise PlanError(f"{self.path}:{line}: {'.'.join(loc)}: {error}") from None

    def _dimension(self, position: int, name: str, text: str) -> Row:
        tree = self._compile(("dimensions", name), expressions.value, text, expressions.EVENT_COLUMNS)
        sql = expressions.to_sql(tree)
        digest = definition_hash(sql, self.plan.values_per_dimension)
        return {"dimension": name, "position": position, "expression_sql": sql, "definition_hash": digest}

    def _measure(self, name: str, measure: Measure) -> Row:
        sql = expressions.to_sql(self._aggregate(name, measure))
        digest = definition_hash(sql, measure.relation, self.clock, self.sessions if measure.relation != "events" else None)
        return {"measure": name, "relation": measure.relation, "expression_sql": sql, "definition_hash": digest}

    def _aggregate(self, name: str, measure: Measure) -> exp.Expression:
        loc = ("measures", name)
        if measure.active_users:
            return exp.column(measure.active_users)
        columns = expressions.SESSION_COLUMNS if measure.relation == "sessions" else expressions.EVENT_COLUMNS
        aggregate: exp.Expression
        if measure.sum:
            number = self._compile((*loc, "sum"), expressions.value, measure.sum, columns)
            if not isinstance(number, exp.Column):
                number = self._compile((*loc, "sum"), expressions.value, f"cast({measure.sum} as numeric)", columns)
            aggregate = exp.Sum(this=number)
        elif measure.count_distinct:
            field = self._compile((*loc, "count_distinct"), expressions.value, measure.count_distinct, columns)
            aggregate = exp.Count(this=exp.Distinct(expressions=[field]))
        elif measure.count == "persons":
            aggregate = exp.Count(this=exp.Distinct(expressions=[exp.column("person_key")]))
        else:
            aggregate = exp.Count(this=exp.Star())
        if measure.where:
            where = self._compile((*loc, "where"), expressions.condition, measure.where, columns)
            aggregate = exp.Filter(this=aggregate, expression=exp.Where(this=where))
        return exp.Coalesce(this=aggregate, expressions=[exp.Literal.number(0)])

    def _kpi(self, position: int, name: str, kpi: Kpi, measures: dict[str, str], dimensions: dict[str, str]) -> Row:
        loc = ("kpis", name, "formula")
        numerator, denominator = self._compile(loc, expressions.ratio, kpi.formula, frozenset(measures))
        for unknown in set(kpi.dimensions) - set(dimensions):
            line = line_of(self.path, "kpis", name, "dimensions")
            known = ", ".join(dimensions)
            raise PlanError(f"{self.path}:{line}: kpis.{name}.dimensions: {unknown!r} is not one of {known}")
        used = {c.name for side in (numerator, denominator) if side for c in side.find_all(exp.Column)}
        inputs = sorted((m, measures[m]) for m in used), sorted((d, dimensions[d]) for d in kpi.dimensions)
        return {
            "kpi_name": name,
            "position": position,
            **kpi.model_dump(),
            "numerator_sql": expressions.to_sql(numerator),
            "denominator_sql": expressions.to_sql(denominator) if denominator else None,
            "definition_hash": definition_hash(kpi.formula, inputs),
        }

    def _funnel(self, name: str, tables: dict[str, list[Row]]) -> None:
        funnel = self.plan.funnels[name]
        steps = [
            {
                "funnel": name,
                "step": i,
                "title": s.title,
                "condition_sql": self._condition(s.where, "funnels", name, "steps"),
            }
            for i, s in enumerate(funnel.steps, 1)
        ]
        digest = definition_hash(funnel.window, steps, self.clock)
        row = {"funnel": name, "title": funnel.title, "conversion_window": funnel.window, "definition_hash": digest}
        tables["funnels"].append(row)
        tables["funnel_steps"].extend(steps)

    def _retention(self, name: str, tables: dict[str, list[Row]]) -> None:
        retention = self.plan.retentions[name]
        row = {
            "retention": name,
            "title": retention.title,
            "mode": retention.mode,
            "grain": retention.grain,
            "periods": retention.periods,
            "start_sql": self._condition(retention.start, "retentions", name, "start"),
            "return_sql": self._condition(retention.returning, "retentions", name, "return"),
        }
        tables["retentions"].append({**row, "definition_hash": definition_hash(row, self.clock)})
