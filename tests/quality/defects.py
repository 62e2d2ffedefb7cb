"""Forty defects as data engineers meet them, planted in a clean day of a sample product, each in three sizes.

What a gate makes of them is in `world`. None knows how it is looked for. A few more that the table leaves out are in `more_defects`.
"""

import hashlib
import random
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

from analytics_pipeline.samples.generators import Event
from tests.quality.clean import Delivered, copied, new_id, person_of, visits_of
from tests.quality.damage import (
    ALL,
    Day,
    Defect,
    as_csv,
    change,
    change_properties,
    count,
    gzipped,
    hit,
    hit_persons,
    lines,
    of,
    of_persons,
    planter,
    sample,
    shifted,
)

DEFECTS: list[Defect] = []
_planted = planter(DEFECTS)
_WITH_MONEY = ("ecommerce", "ride_hailing", "rental", "ai_platform")
_COUNTRIES = {
    "DE": "Germany",
    "AT": "Austria",
    "CH": "Switzerland",
    "FR": "France",
    "NL": "Netherlands",
    "PL": "Poland",
    "IN": "India",
    "GB": "United Kingdom",
    "US": "United States",
    "JP": "Japan",
}


# What is missing


@_planted("completeness", of("the persons", 0.02, 0.15, 1), *ALL)
def null_property(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A release of the application sends a required property as null."""
    mine = [i for i, e in enumerate(day.events) if e["event_name"] == day.facts.main]
    reached = set(of_persons(day.events, hit_persons([day.events[i] for i in mine], rng, share)))
    return change_properties(day.events, reached & set(mine), lambda p: {**p, day.facts.required: None})


@_planted("completeness", of("the payments", 0.02, 0.15, 1), *_WITH_MONEY)
def null_value(day: Day, rng: random.Random, share: float) -> list[Event]:
    """The amount of a payment is empty; its currency is there."""
    return change(day.events, hit(day.events, rng, share, day.facts.money), value=None)


@_planted("completeness", of("the persons", 0.05, 0.25, 1), *ALL)
def null_ids(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A new consent banner takes both the user's and the visitor's id off the events of those who refuse."""
    refuse = of_persons(day.events, hit_persons(day.events, rng, share))
    return change(day.events, refuse, user_id=None, anonymous_id=None)


@_planted("completeness", count("hours", 1, 6, 12), *ALL)
def half_day(day: Day, _: random.Random, hours: float) -> list[Event]:
    """The export ran too early: the day's last hours are not in it."""
    return [e for e in day.events if day.local(e).date() != day.day or day.local(e).hour < 24 - hours]


@_planted("completeness", count("hours", 1, 3, 8), "ai_platform", "ecommerce", "ride_hailing", "appointments", "rental")
def collector_gap(day: Day, _: random.Random, hours: float) -> list[Event]:
    """The collector was down for some hours from ten in the morning on; nothing was kept."""
    return [e for e in day.events if day.local(e).date() != day.day or not 10 <= day.local(e).hour < 10 + hours]


@_planted("completeness", of("the bytes", 0.01, 0.3, 0.9), *ALL)
def truncated_gzip(day: Day, _: random.Random, share: float) -> list[Delivered]:
    """The upload of the compressed file broke off."""
    content = gzipped(lines(day.events))
    return [Delivered(day.file_name, content[: int(len(content) * (1 - share))])]


@_planted("completeness", of("the bytes", 0.05, 0.3, 0.8), "rental", "ecommerce", "ride_hailing", "appointments", "ai_platform")
def truncated_lines(day: Day, rng: random.Random, share: float) -> list[Delivered]:
    """The export of an unsorted table was cut in the middle of a line."""
    content = "\n".join(lines(rng.sample(day.events, len(day.events)))).encode()
    return [Delivered(f"events-{day.day}.ndjson", content[: int(len(content) * (1 - share))])]


@_planted("completeness", of("the platform's events", 0.1, 0.5, 1), *ALL)
def silent_platform(day: Day, rng: random.Random, share: float) -> list[Event]:
    """Events of one platform are lost, those of the others arrive."""
    mine = [i for i, e in enumerate(day.events) if e["platform"] == day.facts.platform]
    lost = set(sample(mine, rng, share))
    return [e for i, e in enumerate(day.events) if i not in lost]


@_planted(
    "completeness",
    (("a small place", 1), ("a middling place", 2), ("the largest place", 3)),
    "ride_hailing",
    "ecommerce",
    "appointments",
    "rental",
    "ai_platform",
)
def silent_place(day: Day, _: random.Random, which: int) -> list[Event]:
    """The events of one place are lost, because its collector is down."""
    column, *places = day.facts.place
    return [e for e in day.events if e[column] != places[which - 1]]


@_planted(
    "completeness", of("the kind's events", 0.1, 0.5, 1), "appointments", "ecommerce", "ride_hailing", "rental", "ai_platform"
)
def silent_event(day: Day, rng: random.Random, share: float) -> list[Event]:
    """One kind of event, which a system of its own sends, is lost."""
    lost = hit(day.events, rng, share, day.facts.renamed[0])
    return [e for i, e in enumerate(day.events) if i not in lost]


@_planted("timeliness", count("of ten parts", 1, 5, 10), "appointments", "ecommerce", "ride_hailing", "rental", "ai_platform")
def stale_file(day: Day, _: random.Random, parts: int) -> list[Delivered]:
    """Parts of the export are yesterday's, under today's name."""
    files = []
    for part in range(10):
        events = (day.yesterday if part < parts else day.events)[part::10]
        files.append(Delivered(f"events-{day.day}-part-{part:02d}.ndjson.gz", gzipped(lines(events))))
    return files


# What amounts say


@_planted("validity", of("the payments", 0.02, 0.15, 1), *_WITH_MONEY)
def negative_prices(day: Day, rng: random.Random, share: float) -> list[Event]:
    """Amounts have the wrong sign, as in the ledger that they come from."""
    return change(day.events, hit(day.events, rng, share, day.facts.money), value=lambda e: -e["value"])


@_planted("validity", of("the payments", 0.02, 0.15, 1), "ride_hailing", "ecommerce", "rental", "ai_platform")
def minor_units(day: Day, rng: random.Random, share: float) -> list[Event]:
    """Amounts are in cents (paise, pence) since a payment provider was added."""
    return change(day.events, hit(day.events, rng, share, day.facts.money), value=lambda e: round(e["value"] * 100))


@_planted("distribution", of("the persons", 0.1, 0.5, 1), "ecommerce")
def net_prices(day: Day, rng: random.Random, share: float) -> list[Event]:
    """Prices and amounts are sent without tax by a new front end."""
    net = of_persons(day.events, hit_persons(day.events, rng, share))
    events = change(day.events, net, value=lambda e: e["value"] and round(e["value"] / 1.19, 2))
    return change_properties(events, net, lambda p: {**p, "price": round(p["price"] / 1.19, 2)} if "price" in p else p)


@_planted("validity", of("the payments", 0.01, 0.1, 0.5), *_WITH_MONEY)
def currency_unknown(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A currency is mixed in that the plan has no rate for."""
    currency, rate = day.facts.foreign
    foreign = hit(day.events, rng, share, day.facts.money)
    return change(day.events, foreign, currency=currency, value=lambda e: round(e["value"] * rate, 2))


@_planted("consistency", of("the payments", 0.05, 0.3, 1), *_WITH_MONEY)
def currency_unlabelled(day: Day, rng: random.Random, share: float) -> list[Event]:
    """Amounts of another currency are mixed in under the label of the plan's."""
    foreign = hit(day.events, rng, share, day.facts.money)
    return change(day.events, foreign, value=lambda e: round(e["value"] * day.facts.foreign[1], 2))


@_planted("distribution", of("the requests", 0.05, 0.3, 1), "ai_platform")
def latency_in_seconds(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A new gateway reports seconds where milliseconds are expected."""
    slow = hit(day.events, rng, share, "api.request")
    return change_properties(day.events, slow, lambda p: {**p, "latency_ms": round(p["latency_ms"] / 1000, 4)})


@_planted("distribution", of("the jobs", 0.05, 0.3, 1), "ai_platform")
def tokens_in_thousands(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A new worker counts tokens in thousands."""
    counted = hit(day.events, rng, share, "processing.completed", "processing.failed")
    return change_properties(day.events, counted, lambda p: {**p, **{k: p[k] / 1000 for k in ("tokens_in", "tokens_out")}})


@_planted("validity", of("the reports", 0.05, 0.3, 1), "ride_hailing")
def swapped_coordinates(day: Day, rng: random.Random, share: float) -> list[Event]:
    """Cars report longitude as latitude and latitude as longitude."""
    turned = hit(day.events, rng, share, "driver.location.updated")
    return change_properties(day.events, turned, lambda p: {**p, "latitude": p["longitude"], "longitude": p["latitude"]})


# What things are called


@_planted("schema", of("the persons", 0.05, 0.4, 1), *ALL)
def renamed_event(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A release of the tracker, in nobody's calendar, renames an event; it reaches persons one after the other."""
    old, new = day.facts.renamed
    reached = of_persons(day.events, hit_persons([e for e in day.events if e["event_name"] == old], rng, share))
    return change(
        day.events,
        reached,
        event_name=lambda e: new if e["event_name"] == old else e["event_name"],
        app_version=lambda e: e["app_version"] and "9.1.0",
    )


@_planted("schema", of("the persons", 0.05, 0.3, 1), "rental", "ecommerce", "ride_hailing", "appointments", "ai_platform")
def renamed_property(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A release renames a property in all events that have it."""
    old, new = day.facts.property
    reached = of_persons(day.events, hit_persons([e for e in day.events if old in e["properties"]], rng, share))
    return change_properties(day.events, reached, lambda p: {new if k == old else k: v for k, v in p.items()})


@_planted("schema", (("region", "region"), ("value", "value"), ("occurred_at", "occurred_at")), *ALL)
def header_changed(day: Day, _: random.Random, column: str) -> list[Delivered]:
    """The header of the CSV export names a column otherwise."""
    names = {"region": "state", "value": "amount", "occurred_at": "timestamp"}
    content = as_csv(day.events, lambda name: names[name] if name == column else name)
    return [Delivered(f"events-{day.day}.csv", content)]


@_planted("consistency", of("the rows", 0.05, 0.3, 1), "rental", "ecommerce", "ride_hailing", "appointments", "ai_platform")
def swapped_column(day: Day, rng: random.Random, share: float) -> list[Delivered]:
    """Some workers of the CSV export write two columns in the other order."""
    one, other = day.facts.swapped
    rows = hit(day.events, rng, share)
    events = [{**e, one: e[other], other: e[one]} if i in rows else e for i, e in enumerate(day.events)]
    return [Delivered(f"events-{day.day}.csv", as_csv(events))]


@_planted("validity", of("the persons", 0.05, 0.3, 1), "ride_hailing")
def new_enum_value(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A payment provider is called by its product's name where the plan lists the methods."""
    reached = of_persons(day.events, hit_persons([e for e in day.events if e["properties"].get("method") == "upi"], rng, share))
    return change_properties(
        day.events, reached, lambda p: {**p, "method": "UPI_COLLECT_V2"} if p.get("method") == "upi" else p
    )


@_planted("consistency", of("the persons", 0.05, 0.3, 1), "ecommerce", "ride_hailing", "ai_platform", "rental", "appointments")
def country_spelled_out(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A new version of the application sends the country's name for its code."""
    reached = of_persons(day.events, hit_persons(day.events, rng, share))
    return change(day.events, reached, country=lambda e: e["country"] and _COUNTRIES[e["country"]])


# What is there more than once


@_planted("uniqueness", of("the file", 0.02, 0.2, 1), *ALL)
def doubled_load(day: Day, rng: random.Random, share: float) -> list[Delivered]:
    """The export was retried from some row on and gave new ids to the events that it had written before."""
    begin = len(day.events) - max(1, round(share * len(day.events)))
    again = [{**e, "event_id": new_id(rng)} for e in day.events[begin:]]
    return [
        Delivered(day.file_name, gzipped(lines(day.events))),
        Delivered(f"events-{day.day}-retry.ndjson.gz", gzipped(lines(again))),
    ]


@_planted(
    "uniqueness", of("the kind's events", 0.03, 0.2, 1), "appointments", "ecommerce", "ride_hailing", "rental", "ai_platform"
)
def doubled_event(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A page sends an event twice within a second, each time with an id of its own."""
    twice = hit(day.events, rng, share, day.facts.money or day.facts.renamed[0])
    found = []
    for i, event in enumerate(day.events):
        found.append(event)
        if i in twice:
            later = shifted(event, timedelta(milliseconds=rng.randint(40, 900)))
            found.append({**later, "event_id": new_id(rng)})
    return found


@_planted(
    "uniqueness", of("the persons", 0.02, 0.15, 0.8), "ride_hailing", "ecommerce", "appointments", "rental", "ai_platform"
)
def colliding_ids(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A version of the application draws its ids from the same seed after each start."""
    reached, sent = hit_persons(day.events, rng, share), Counter[str]()
    found = []
    for event in day.events:
        person = person_of(event)
        if person in reached:
            sent[person] += 1
            number = hashlib.sha256(f"seed:{sent[person]}".encode()).digest()[:16]
            event = {**event, "event_id": str(UUID(bytes=number, version=4))}
        found.append(event)
    return found


@_planted("uniqueness", of("that day", 0.05, 0.3, 1), *ALL)
def old_day_again(day: Day, rng: random.Random, share: float) -> list[Delivered]:
    """A backfill writes a day of the week before last a second time, with new ids."""
    again = [{**e, "event_id": new_id(rng)} for e in sample(day.long_ago, rng, share)]
    return [
        Delivered(day.file_name, gzipped(lines(day.events))),
        Delivered(f"backfill-{day.day - timedelta(days=10)}.ndjson.gz", gzipped(lines(again))),
    ]


# What times say


@_planted(
    "timeliness",
    (("5% of the persons", 0.05), ("one platform", None), ("all persons", 1.0)),
    "ecommerce",
    "ride_hailing",
    "rental",
)
def shifted_zone(day: Day, rng: random.Random, share: float | None) -> list[Event]:
    """The application sends its local time as if it were UTC."""
    if share is None:
        reached = [i for i, e in enumerate(day.events) if e["platform"] == day.facts.platform]
    else:
        reached = of_persons(day.events, hit_persons(day.events, rng, share))
    return change(day.events, reached, occurred_at=lambda e: e["occurred_at"] + (day.local(e).utcoffset() or timedelta(0)))


@_planted("timeliness", count("hours", 1, 5.5, 9), "ride_hailing", "ecommerce", "appointments", "rental", "ai_platform")
def export_in_local_time(day: Day, _: random.Random, hours: float) -> list[Event]:
    """The export's server writes all times in its own zone as if they were UTC."""
    return [shifted(e, timedelta(hours=hours)) for e in day.events]


@_planted("timeliness", of("the persons", 0.05, 0.3, 0.8), *ALL)
def clock_skew(day: Day, rng: random.Random, share: float) -> list[Event]:
    """The clocks of some devices are wrong: most by hours, some by days, some ahead."""
    skews: dict[str, timedelta] = {}
    for person in sorted(hit_persons(day.events, rng, share)):
        hours = rng.expovariate(1 / 9)
        skews[person] = timedelta(hours=min(hours, 23)) if rng.random() < 0.4 else -timedelta(hours=hours)
    return [shifted(e, skews.get(person_of(e) or "", timedelta(0)), "occurred_at") for e in day.events]


@_planted("timeliness", of("the front desk's events", 0.1, 0.5, 1), "appointments")
def am_pm_lost(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A form writes the hours of the afternoon as those of the morning, because it drops what follows them."""
    desk = [i for i, e in enumerate(day.events) if e["platform"] == "front desk" and day.local(e).hour >= 13]
    return change(day.events, sample(desk, rng, share), occurred_at=lambda e: e["occurred_at"] - timedelta(hours=12))


# Who it was


@_planted("validity", of("the users", 0.02, 0.2, 1), "ecommerce", "ride_hailing", "appointments", "rental", "ai_platform")
def placeholder_user(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A script writes the word undefined where the user's id belongs."""
    users = hit_persons([e for e in day.events if e["user_id"]], rng, share)
    mine = [i for i in of_persons(day.events, users) if day.events[i]["user_id"]]
    return change(day.events, mine, user_id="undefined")


@_planted("consistency", of("the persons", 0.05, 0.3, 1), *ALL)
def resalted_ids(day: Day, rng: random.Random, share: float) -> list[Event]:
    """Persons' ids are hashed with another salt, so that nobody has been there before."""

    def otherwise(who: str | None) -> str | None:
        if who is None:
            return None
        kind, _, number = who.rpartition("-")
        drawn = int(hashlib.sha256(f"new salt:{number}".encode()).hexdigest(), 16)
        return f"{kind}-{drawn % 10 ** len(number):0{len(number)}d}"

    mine = of_persons(day.events, hit_persons(day.events, rng, share))
    return change(
        day.events, mine, user_id=lambda e: otherwise(e["user_id"]), anonymous_id=lambda e: otherwise(e["anonymous_id"])
    )


@_planted("validity", of("the persons", 0.05, 0.4, 1), "ai_platform")
def one_session(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A cached page gives the same session id to everybody who gets it."""
    mine = of_persons(day.events, hit_persons(day.events, rng, share))
    return change(day.events, mine, session_id=f"session-{day.index:03d}-5ca1ab1e00")


# Who it should not be


@_planted("volume", count("pages", 100, 800, 8000), "ecommerce", "rental")
def bot_one_visitor(day: Day, rng: random.Random, pages: int) -> list[Event]:
    """A price scraper that nobody has marked opens pages for six hours as one visitor."""
    views = [e for e in day.events if e["event_name"] == day.facts.main and day.local(e).date() == day.day]
    begin = min(e["occurred_at"] for e in views) + timedelta(hours=1)
    bot = []
    for number in range(int(pages)):
        at = begin + timedelta(seconds=6 * 3600 * number / pages, milliseconds=rng.randrange(500))
        who = {"user_id": None, "anonymous_id": "anon-877001"}
        where = {k: views[0][k] for k in ("country", "region", "device_type", "platform", "app_version") if k in views[0]}
        ids = {"event_id": new_id(rng), "occurred_at": at, "received_at": at + timedelta(seconds=1)}
        bot.append({**rng.choice(views), **who, **where, **ids})
    return day.events + bot


@_planted("volume", count("visitors", 15, 150, 1500), "rental", "ecommerce", "ai_platform", "ride_hailing", "appointments")
def bot_many_visitors(day: Day, rng: random.Random, visitors: int) -> list[Event]:
    """A botnet opens one page or two with a new visitor id each time."""
    shape = [
        e for e in day.events if e["event_name"] == ("app.opened" if day.product == "ride_hailing" else _page(day.product))
    ]
    shape = [e for e in shape if day.local(e).date() == day.day]
    bots = []
    for number in range(int(visitors)):
        at = rng.choice(shape)["occurred_at"]
        for _ in range(rng.choice((1, 1, 2))):
            at += timedelta(seconds=rng.randint(1, 5))
            ids = {"event_id": new_id(rng), "occurred_at": at, "received_at": at + timedelta(seconds=1)}
            bots.append({**rng.choice(shape), **ids, "user_id": None, "anonymous_id": f"visitor-{700_000 + number}"})
    return day.events + bots


def _page(product: str) -> str:
    return {"ecommerce": "page_view", "rental": "listing.viewed", "ai_platform": "page.viewed"}.get(product, "portal.visit")


@_planted("volume", count("orders", 2, 20, 200), "ecommerce")
def test_user(day: Day, rng: random.Random, orders: int) -> list[Event]:
    """A tester who is not marked as one buys the most expensive cart again and again."""
    visits = [v for v in visits_of(day.events) if any(e["event_name"] == "purchase" for e in v)]
    dearest = max(visits, key=lambda v: max(e["value"] or 0 for e in v))
    found = list(day.events)
    for number in range(int(orders)):
        for event in copied(dearest, rng, number + 1):
            found.append({**event, "user_id": "user-004321", "anonymous_id": None})
    return found


# What belongs together


@_planted("integrity", of("the payments", 0.05, 0.3, 1), "ride_hailing", "ecommerce")
def unlinked_ids(day: Day, rng: random.Random, share: float) -> list[Event]:
    """One system names things otherwise than the others do, so that nothing of it can be joined any more."""

    def other_name(old: Any) -> str:
        return "pay_" + hashlib.sha256(str(old).encode()).hexdigest()[:16]

    if day.product == "ride_hailing":
        return change(
            day.events, hit(day.events, rng, share, "payment.success"), entity_id=lambda e: other_name(e["entity_id"])
        )
    carts = hit(day.events, rng, share, "add_to_cart")
    return change_properties(day.events, carts, lambda p: {**p, "product": f"SKU-{p['product'][-2:]}-{len(p['product'])}"})
