"""Defects that the table leaves out, of the same kinds as those of `defects`: whoever tunes a check against the forty looks here after."""

import csv
import io
import random
from datetime import timedelta

from analytics_pipeline.samples.generators import Event
from tests.quality.clean import Delivered, new_id, person_of
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
    text,
)

MORE_DEFECTS: list[Defect] = []
_planted = planter(MORE_DEFECTS)


@_planted("validity", of("the persons", 0.05, 0.3, 1), "ecommerce")
def mojibake(day: Day, rng: random.Random, share: float) -> list[Event]:
    """Text is decoded with the wrong character set on its way."""

    def garbled(word: str | None) -> str | None:
        return word and word.encode().decode("cp1252", errors="replace")

    mine = of_persons(day.events, hit_persons(day.events, rng, share))
    return change(day.events, mine, region=lambda e: garbled(e["region"]))


@_planted("distribution", of("the persons", 0.05, 0.3, 1), "ecommerce")
def exploding_category(day: Day, rng: random.Random, share: float) -> list[Event]:
    """The department carries the page's address with its parameters."""
    mine = of_persons(day.events, hit_persons(day.events, rng, share))
    return change_properties(
        day.events,
        mine,
        lambda p: {**p, "category": f"/{p['category']}?ref={rng.getrandbits(24):06x}"} if "category" in p else p,
    )


@_planted("distribution", of("the listings", 0.1, 0.4, 1), "rental")
def yearly_rent(day: Day, rng: random.Random, share: float) -> list[Event]:
    """One agent's software gives the rent of a year."""
    return change(day.events, hit(day.events, rng, share, "listing.published"), value=lambda e: e["value"] * 12)


@_planted("completeness", count("per cent of the events arrive", 20, 2, 0), *ALL)
def empty_delivery(day: Day, _: random.Random, per_cent: float) -> list[Delivered]:
    """The file is there and has next to nothing in it."""
    left = day.events[: round(len(day.events) * per_cent / 100)]
    return [Delivered(day.file_name, gzipped(lines(left)))]


@_planted(
    "volume", of("the events are dropped", 0.05, 0.4, 0.9), "ecommerce", "ai_platform", "ride_hailing", "rental", "appointments"
)
def sampled(day: Day, rng: random.Random, share: float) -> list[Event]:
    """Somebody switched on sampling in the tracker."""
    lost = hit(day.events, rng, share)
    return [e for i, e in enumerate(day.events) if i not in lost]


@_planted("completeness", count("hours", 1, 6, 24), "ai_platform")
def silent_host(day: Day, _: random.Random, hours: int) -> list[Event]:
    """One of the machines does not report."""
    return [
        e
        for e in day.events
        if e["properties"].get("host") != "worker-2" or day.local(e).hour >= hours or day.local(e).date() != day.day
    ]


@_planted("distribution", of("the trips", 0.1, 0.5, 1), "ride_hailing")
def miles(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A new version of the drivers' application measures miles."""
    mine = hit(day.events, rng, share, "trip.completed")
    return change_properties(day.events, mine, lambda p: {**p, "km": round(p["km"] / 1.609, 1)})


@_planted("volume", of("the events", 0.05, 0.3, 1), "ai_platform", "ecommerce")
def staging_traffic(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A test of a coming release runs against production."""
    reached = hit_persons(day.events, rng, share)
    copies = []
    for event in (e for e in day.events if person_of(e) in reached):
        who = {
            k: v and f"{v.rpartition('-')[0]}-{int(v.rpartition('-')[2]) % 97 + 80_000}"
            for k, v in event.items()
            if k.endswith("_id") and k in ("user_id", "anonymous_id")
        }
        copies.append(
            {
                **event,
                **who,
                "event_id": new_id(rng),
                "app_version": "0.0.0-dev",
                "properties": {**event["properties"], "environment": "staging"},
            }
        )
    return day.events + copies


@_planted("schema", of("the events", 0.02, 0.15, 1), "ai_platform", "ecommerce")
def number_as_text(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A number is sent with its unit, as text."""
    key, unit = ("latency_ms", "ms") if day.product == "ai_platform" else ("price", "EUR")
    mine = hit(day.events, rng, share, day.facts.main)
    return change_properties(day.events, mine, lambda p: {**p, key: f"{p[key]} {unit}"})


@_planted("distribution", of("the scores", 0.05, 0.3, 1), "rental")
def default_score(day: Day, rng: random.Random, share: float) -> list[Event]:
    """The model does not answer, and its caller notes one half."""
    mine = hit(day.events, rng, share, "model.scored")
    return change_properties(day.events, mine, lambda p: {**p, "score": 0.5})


@_planted("distribution", of("the evaluations", 0.1, 0.4, 1), "appointments")
def score_scale(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A new questionnaire has five stars where the old one had ten points."""
    mine = hit(day.events, rng, share, "evaluation.completed")
    return change_properties(day.events, mine, lambda p: {**p, "score": max(1, round(p["score"] / 2))})


@_planted("timeliness", of("the persons", 0.05, 0.3, 1), "rental", "ecommerce")
def midnight_times(day: Day, rng: random.Random, share: float) -> list[Event]:
    """Times have lost their clock: only the date is left."""
    mine = of_persons(day.events, hit_persons(day.events, rng, share))
    return change(
        day.events,
        mine,
        occurred_at=lambda e: (
            day.local(e).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(e["occurred_at"].tzinfo)
        ),
    )


@_planted("timeliness", of("the rows", 0.02, 0.15, 1), "ecommerce", "rental")
def day_month_swapped(day: Day, rng: random.Random, share: float) -> list[Delivered]:
    """Some dates are written day first, and read month first."""
    mine = hit(day.events, rng, share)
    found = []
    for i, event in enumerate(map(text, day.events)):
        at = event["occurred_at"]
        found.append({**event, "occurred_at": f"{at[:4]}-{at[8:10]}-{at[5:7]}{at[10:]}"} if i in mine else event)
    return [Delivered(day.file_name, gzipped(lines(found)))]


@_planted("consistency", of("the visitors", 0.05, 0.3, 1), "ecommerce", "rental", "appointments")
def id_per_event(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A browser that keeps no cookies gives each page a visitor of its own."""
    visitors = hit_persons([e for e in day.events if not e["user_id"]], rng, share)
    mine = [i for i in of_persons(day.events, visitors) if not day.events[i]["user_id"]]
    return change(day.events, mine, anonymous_id=lambda e: f"{e['anonymous_id'].rpartition('-')[0]}-{rng.randrange(10**6):06d}")


@_planted("validity", of("the rows", 0.02, 0.15, 1), "ecommerce", "ride_hailing")
def decimal_comma(day: Day, rng: random.Random, share: float) -> list[Delivered]:
    """A spreadsheet has saved amounts with a comma."""
    mine = hit(day.events, rng, share, day.facts.money)
    rows = list(csv.reader(io.StringIO(as_csv(day.events).decode())))
    column = rows[0].index("value")
    for i in mine:
        rows[i + 1][column] = rows[i + 1][column].replace(".", ",")
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return [Delivered(f"events-{day.day}.csv", out.getvalue().encode())]


@_planted("completeness", of("the fields", 0.02, 0.15, 1), *ALL)
def empty_text(day: Day, rng: random.Random, share: float) -> list[Event]:
    """A required property is there, and is the empty text."""
    mine = hit(day.events, rng, share, day.facts.main)
    return change_properties(day.events, mine, lambda p: {**p, day.facts.required: ""})


@_planted("consistency", of("the events", 0.1, 0.5, 1), "ecommerce")
def two_truths(day: Day, rng: random.Random, share: float) -> list[Event]:
    """Orders are sent by the browser and by the server, and only one of the two is there for some."""
    mine = [e for e in day.events if e["event_name"] == "purchase"]
    late = timedelta(seconds=3)
    server = [
        {**e, "event_id": new_id(rng), "occurred_at": e["occurred_at"] + late, "platform": "server"}
        for e in sample(mine, rng, share)
    ]
    return day.events + server
