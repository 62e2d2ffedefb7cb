import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from analytics_pipeline.errors import MappingError
from analytics_pipeline.events.files import read_records
from analytics_pipeline.events.mapping import Mapping, load_mapping, preset_names
from analytics_pipeline.events.normalise import Normaliser

TRACKERS = Path(__file__).parents[2] / "examples" / "trackers"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def events(mapping: Mapping, path: Path) -> list[dict[str, Any]]:
    with Normaliser(mapping, mapping.name, uuid.UUID(int=0), datetime(2020, 1, 1, tzinfo=UTC), NOW) as normaliser:
        found, refused = [], []
        for chunk in read_records(path, mapping.delimited):
            rows, refusals = normaliser.events(chunk)
            found += rows
            refused += refusals
    assert refused == []
    return [
        {
            **e,
            "properties": json.loads(e["properties"]),
            "event_id": str(e["event_id"]),
            "occurred_at": e["occurred_at"].astimezone(UTC),
        }
        for e in found
    ]


def at(minute: int, second: float) -> datetime:
    whole = int(second)
    return datetime(2026, 2, 1, 10, minute, whole, round((second - whole) * 1_000_000), tzinfo=UTC)


BROWSING, ORDER = 0, -1
# Facts of the trackers' public documentation: which field is what.
EXPECTED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "segment.ndjson": (
        {
            "event_name": "page",
            "occurred_at": at(0, 2.3),
            "user_id": None,
            "anonymous_id": "d3a1c0de-77aa",
            "country": "Germany",
        },
        {"event_name": "Order Completed", "user_id": "user-7", "entity_id": "o-19", "value": "59.9000", "currency": "EUR"},
    ),
    "rudderstack.ndjson": (
        {"event_name": "page", "session_id": "1769940000000", "platform": "iOS", "app_version": "4.2.0"},
        {"event_name": "Order Completed", "user_id": "user-7", "value": "59.9000", "occurred_at": at(5, 0.1)},
    ),
    "snowplow.csv": (
        {
            "event_id": "7f0a3f2e-2a57-4e0a-9d6b-08f1f0a3c001",
            "event_name": "page_view",
            "occurred_at": at(0, 2.25),
            "anonymous_id": "d-1",
        },
        {"user_id": "user-7", "session_id": "s-1", "entity_type": "order", "value": "59.9000", "currency": "EUR"},
    ),
    "snowplow_tsv.tsv": (
        {"event_id": "7f0a3f2e-2a57-4e0a-9d6b-08f1f0a3c001", "country": "DE", "device_type": "Mobile", "session_id": "s-1"},
        {"user_id": "user-7", "occurred_at": at(5, 2.25), "value": "59.9000", "currency": "EUR"},
    ),
    "posthog.ndjson": (
        {
            "event_name": "$pageview",
            "user_id": None,
            "anonymous_id": "0194-device",
            "session_id": "ph-s1",
            "occurred_at": at(0, 2.3),
        },
        {"event_name": "order paid", "user_id": "user-7", "anonymous_id": None, "value": "59.9000"},
    ),
    "ga4.ndjson": (
        {"event_name": "page_view", "occurred_at": at(0, 2.3), "user_id": None, "session_id": "1001.1769939990/1769939990"},
        {"event_name": "app_open", "anonymous_id": "1002.1", "session_id": None, "entity_id": None, "platform": "android"},
    ),
    "mixpanel.ndjson": (
        {"event_name": "Page View", "occurred_at": at(0, 2), "user_id": None, "anonymous_id": "d-1", "country": "DE"},
        {"event_name": "Invoice Paid", "user_id": "user-7", "anonymous_id": None},
    ),
    "amplitude.ndjson": (
        {
            "event_name": "page view",
            "user_id": None,
            "anonymous_id": "d-1R",
            "session_id": "1769940002000",
            "occurred_at": at(0, 2.3),
        },
        {"event_name": "order completed", "user_id": "user-7", "session_id": None, "value": "59.9000", "currency": "EUR"},
    ),
    "cloudevents.json": (
        {"event_name": "com.example.order.completed", "user_id": "user-7", "entity_id": "o-19", "value": "59.9000"},
        {"event_name": "com.example.search", "anonymous_id": "d-1", "occurred_at": at(6, 0)},
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_preset_reads_what_its_tracker_writes(name: str) -> None:
    found = events(load_mapping(name.split(".")[0]), TRACKERS / name)
    for row, expected in zip((found[0], found[-1]), EXPECTED[name], strict=True):
        assert {key: str(row[key]) if key == "value" else row[key] for key in expected} == expected


def test_every_preset_has_a_sample() -> None:
    assert set(preset_names()) - {"envelope"} == {path.name.split(".")[0] for path in TRACKERS.iterdir()}


def test_the_lists_of_ga4_become_properties_with_their_types() -> None:
    first = events(load_mapping("ga4"), TRACKERS / "ga4.ndjson")[0]
    assert first["properties"]["page_location"] == "https://shop.example/shoes"
    assert first["properties"]["engagement_time_msec"] == 1200


def test_json_in_a_text_of_a_table_becomes_json() -> None:
    first = events(load_mapping("snowplow_tsv"), TRACKERS / "snowplow_tsv.tsv")[0]
    assert first["properties"]["contexts"]["data"][0]["data"] == {"id": "pv-1"}


def test_events_of_two_sources_with_one_cloudevents_id_are_two() -> None:
    found = events(load_mapping("cloudevents"), TRACKERS / "cloudevents.json")
    assert [e["event_id"] for e in found] == [
        str(uuid.uuid5(uuid.NAMESPACE_URL, f"cloudevents:{source}/1")) for source in ("%2Fshop%2Fcheckout", "%2Fshop%2Fsearch")
    ]


def own(tmp_path: Path, mapping: str, *records: dict[str, Any]) -> list[dict[str, Any]]:
    (tmp_path / "m.yml").write_text(mapping)
    (tmp_path / "e.ndjson").write_text("\n".join(json.dumps(r) for r in records))
    return events(load_mapping(str(tmp_path / "m.yml")), tmp_path / "e.ndjson")


BASE = "name: m\nfields:\n  event_name: n\n  occurred_at: {path: t, zone: UTC}\n"
T = {"n": "x", "t": "2026-02-01T10:00:00"}


def test_units_conditions_constants_and_alternatives(tmp_path: Path) -> None:
    mapping = BASE + (
        "  value: {path: cents, unit: 0.01}\n"
        "  currency: {constant: chf}\n"
        "  user_id: {first_of: [{path: id, when: {kind: [member, 7]}}, {path: other, when: {id: {exists: false}}}], constant: nobody}\n"
        "  country: {path: c, case: upper}\n"
    )
    found = own(
        tmp_path,
        mapping,
        {**T, "cents": 1999, "kind": "member", "id": "a", "c": "de"},
        {**T, "cents": "5", "kind": 7, "id": "b"},
        {**T, "kind": "guest", "id": "c"},
        {**T, "other": "d"},
    )
    assert [e["user_id"] for e in found] == ["a", "b", "nobody", "d"]
    assert [str(e["value"]) for e in found] == ["19.9900", "0.0500", "None", "None"]
    assert {e["currency"] for e in found} == {"CHF"}
    assert found[0]["country"] == "DE"


def test_what_makes_up_an_id_only_together_with_others_is_kept(tmp_path: Path) -> None:
    mapping = BASE + "  event_id: [basket, product]\n  entity_id: basket\n"
    found = own(tmp_path, mapping, {**T, "basket": "b1", "product": "p1"}, {**T, "basket": "b1", "product": "p2"})
    assert [(e["entity_id"], e["properties"]) for e in found] == [("b1", {"product": "p1"}), ("b1", {"product": "p2"})]


def test_casts_give_texts_their_types_and_keep_what_is_none(tmp_path: Path) -> None:
    found = own(
        tmp_path,
        BASE + "casts: {price: number, new: boolean}\n",
        {**T, "price": "12.50", "new": "true", "text": "1"},
        {**T, "price": "free", "new": "maybe"},
        {**T},
    )
    assert [e["properties"] for e in found] == [
        {"price": 12.5, "new": True, "text": "1"},
        {"price": "free", "new": "maybe"},
        {},
    ]


def test_an_id_of_several_keys_needs_all_of_them(tmp_path: Path) -> None:
    found = own(tmp_path, BASE + "  event_id: [a, b]\n", {**T, "a": 1, "b": 2}, {**T, "a": 1, "x": 1}, {**T, "a": 1, "x": 2})
    assert found[0]["event_id"] == str(uuid.uuid5(uuid.NAMESPACE_URL, "m:1/2"))
    assert len({e["event_id"] for e in found}) == 3


def test_keys_with_dots_and_places_in_lists_can_be_named(tmp_path: Path) -> None:
    mapping = BASE + "  user_id: 'user\\.id'\n  entity_id: items[1].sku\n"
    found = own(tmp_path, mapping, {**T, "user.id": "u", "items": [{"sku": "a"}, {"sku": "b"}]})
    assert (found[0]["user_id"], found[0]["entity_id"]) == ("u", "b")


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("{path: t, format: '%d.%m.%Y %H:%M', zone: Europe/Berlin}", "01.02.2026 11:00", at(0, 0)),
        ("{path: t, format: epoch_s, zone: Europe/Berlin}", 1769943600, at(0, 0)),
        ("{path: t, format: epoch_s}", "1769940000.25", at(0, 0.25)),
        ("t", "2026-02-01T09:59:60Z", at(0, 0)),
        ("t", "2026-02-01T10:00:00.123456789+00:00", at(0, 0.123456)),
        ("t", "2026-02-01T15:30:00+0530", at(0, 0)),
    ],
)
def test_times_in_many_forms(tmp_path: Path, form: str, text: object, expected: datetime) -> None:
    found = own(tmp_path, f"name: m\nfields:\n  event_name: n\n  occurred_at: {form}\n", {"n": "x", "t": text})
    assert found[0]["occurred_at"] == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name: m\nfields: {event_name: n, occurred_at: {path: t, format: unix}}", "unix"),
        ("name: m\nfields: {event_name: n, occurred_at: {path: t, format: '%Y'}}", "zone"),
        ("name: m\nfields: {event_name: n, occurred_at: {path: t, format: '%Y %z', zone: UTC}}", "ISO 8601"),
        ("name: m\nfields: {event_name: n, occurred_at: {path: t, zone: Berlin}}", "Europe/Berlin"),
        ("name: m\nfields: {event_name: n, occurred_at: {path: t, first_of: [u]}}", "exclude"),
        ("name: m\nfields: {event_name: n, occurred_at: t, value: {path: v, unit: 0}}", "unit"),
        ("name: m\nfields: {event_name: n, occurred_at: t, user_id: {path: u, when: {a: {is: 1}}}}", "is"),
        ("name: m\nfields: {event_name: n}", "occurred_at"),
        ("- a", "mapping"),
        ("a: [", "YAML"),
    ],
)
def test_a_mapping_that_is_wrong_names_the_place(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "m.yml"
    path.write_text(text)
    with pytest.raises(MappingError, match=fault) as error:
        load_mapping(str(path))
    assert str(path) in str(error.value)


PAGES = Path(__file__).parents[2] / "docs" / "trackers"


@pytest.mark.parametrize("page", sorted(path.stem for path in PAGES.glob("*.md")))
def test_what_a_page_shows_is_what_the_command_prints(page: str) -> None:
    from analytics_pipeline.commands.mapping import check

    printed = check(page, next(TRACKERS.glob(f"{page}.*")), 5).splitlines()
    shown = (PAGES / f"{page}.md").read_text().split("```\n")[2].splitlines()
    assert shown[0] in printed
    for line in shown[1:]:
        if "received_at" not in line:
            assert any(other.startswith(line.removesuffix("...")) for other in printed), line


def test_every_preset_has_a_page() -> None:
    text = "".join(path.read_text() for path in PAGES.glob("*.md")) + (PAGES.parent / "bring-your-own-events.md").read_text()
    for name in preset_names():
        assert f"`{name}`" in text or f"--mapping {name}\n" in text


def test_two_mappings_at_the_same_time_do_not_see_each_other(tmp_path: Path) -> None:
    path = tmp_path / "e.ndjson"
    path.write_text(
        json.dumps({"n": "mine", "t": "2026-02-01T10:00:00", "event_name": "theirs", "occurred_at": "2026-02-01T10:00:00Z"})
    )
    (tmp_path / "m.yml").write_text(BASE)
    names = {"envelope": load_mapping("envelope"), "m": load_mapping(str(tmp_path / "m.yml"))}
    start = datetime(2020, 1, 1, tzinfo=UTC)
    for _ in range(2):
        with (
            Normaliser(names["envelope"], "a", uuid.UUID(int=0), start, NOW) as one,
            Normaliser(names["m"], "b", uuid.UUID(int=1), start, NOW) as two,
        ):
            chunks = list(read_records(path))
            found = [n.events(chunk)[0][0] for chunk in chunks for n in (one, two, one)]
        assert [(e["event_name"], e["source"]) for e in found] == [("theirs", "a"), ("mine", "b"), ("theirs", "a")]
