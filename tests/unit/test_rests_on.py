"""What a measure rests on, by hand; and which fields of a source fill a column."""

import pytest
import sqlglot

from analytics_pipeline.events.envelope import FIELDS
from analytics_pipeline.events.mapping import load_mapping, preset_names
from analytics_pipeline.events.source_fields import REST, property_fields, source_fields
from analytics_pipeline.tracking_plan.rests_on import Inputs, _names, inputs_of_kpi, inputs_of_measure, together
from analytics_pipeline.tracking_plan.schema.measures import Measure
from analytics_pipeline.tracking_plan.selectors import measure_columns

PLAN = {"conversion_sql": "event_name = 'buy'", "revenue_sql": "event_name = 'buy'", "refund_sql": "event_name = 'refund'"}


def inputs(**measure: object) -> Inputs:
    given = Measure.model_validate(measure)
    return inputs_of_measure({"relation": given.relation, **measure_columns(given)}, PLAN)


@pytest.mark.parametrize(
    ("measure", "events", "columns", "properties"),
    [
        ({"sum": "value", "where": "event_name = 'buy'"}, ("buy",), ("currency", "event_name", "occurred_at", "value"), ()),
        ({"count": "events"}, None, ("occurred_at",), ()),
        (
            {"count": "persons", "where": "event_name in ('a', 'b') and country = 'DE'"},
            ("a", "b"), ("anonymous_id", "country", "event_name", "occurred_at", "user_id"), (),
        ),
        ({"count_distinct": "properties.plan"}, None, ("occurred_at",), ("plan",)),
        ({"percentile": 95, "over": "properties.ms", "where": "cast(properties.ok as boolean)"}, None, ("occurred_at",), ("ms", "ok")),
        ({"percentile": 90, "over": "value", "per": "entity_id"}, None, ("currency", "entity_id", "occurred_at", "value"), ()),
        ({"active_users": "wau"}, None, ("event_name", "occurred_at", "anonymous_id", "user_id"), ()),
        ({"count": "sessions"}, None, ("anonymous_id", "occurred_at", "session_id", "user_id"), ()),
        (
            {"count": "sessions", "where": "is_bounce"},
            None, ("anonymous_id", "event_name", "occurred_at", "session_id", "user_id"), (),
        ),
        (
            {"sum": "value", "of": "sessions"},
            None, ("anonymous_id", "currency", "event_name", "occurred_at", "session_id", "user_id", "value"), (),
        ),
    ],
)  # fmt: skip
def test_a_measure_rests_on_these_events_columns_and_properties(
    measure: dict[str, object], events: tuple[str, ...] | None, columns: tuple[str, ...], properties: tuple[str, ...]
) -> None:
    assert inputs(**measure) == Inputs(events, columns, properties)


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("event_name = 'a'", {"a"}),
        ("'a' = event_name", {"a"}),
        ("(event_name = 'a' or event_name in ('b', 'c')) and value > 3", {"a", "b", "c"}),
        ("event_name = 'a' or country = 'DE'", None),
        ("event_name <> 'a'", None),
        ("not event_name = 'a'", None),
        ("event_name not in ('a')", None),
        ("event_name in ('a', 'b') and event_name in ('b', 'c')", {"b"}),
        ("event_name = country", None),
        ("event_name like 'a%'", None),
        ("country = 'a'", None),
        ("true", None),
    ],
)
def test_no_event_that_a_condition_lets_through_is_missing(condition: str, names: set[str] | None) -> None:
    assert _names(sqlglot.parse_one(condition, dialect="postgres")) == names  # type: ignore[arg-type]


def test_a_ratio_rests_on_both_sides() -> None:
    measures = [
        {"measure": name, "relation": m.relation, **measure_columns(m)}
        for name, m in {
            "buyers": Measure(count="persons", where="event_name = 'buy'"),
            "views": Measure(count="events", where="event_name = 'view'"),
            "dau": Measure(active_users="dau"),
        }.items()
    ]
    found = inputs_of_kpi({"measures": ["buyers", "views"]}, measures, PLAN)
    assert found.events == ("buy", "view")
    assert inputs_of_kpi({"measures": ["views", "dau"]}, measures, PLAN).events is None
    assert together([]) == Inputs((), (), ())


def test_the_fields_of_a_source_are_those_of_its_mapping_with_conditions_and_without_constants() -> None:
    fields = source_fields(load_mapping("segment"))
    assert fields["event_name"] == ["event", "type"]
    assert fields["value"] == ["properties.revenue", "properties.total"]
    assert fields["entity_type"] == ["properties.order_id"]
    assert fields["properties"] == ["properties", REST]


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_says_where_each_column_comes_from(name: str) -> None:
    fields = source_fields(load_mapping(name))
    assert set(fields) <= set(FIELDS)
    assert {"event_name", "occurred_at", "properties"} <= set(fields)
    assert all(paths for paths in fields.values())


def test_a_property_is_below_the_properties_or_a_key_that_fills_no_column() -> None:
    fields = source_fields(load_mapping("segment"))
    assert property_fields(fields, "plan") == ["properties.plan", "plan"]
    assert property_fields(fields, "messageId") == ["properties.messageId"]
    assert property_fields(fields, "a.b") == ["properties.a\\.b", "a\\.b"]
    assert property_fields({"event_name": ["e"], "properties": [REST]}, "plan") == ["plan"]
