"""Requests to the AI platform's API, the jobs that they start, and what the machines say of themselves."""

from datetime import datetime, timedelta
from typing import Any

from analytics_pipeline.samples.ai_platform_world import ENDPOINTS, RELEASE_DAY, Day, Endpoint, User
from analytics_pipeline.samples.weights import pick

OUTAGE_DAY, OUTAGE_REGION, OUTAGE_ENDPOINT = 71, "eu-west", "/v1/chat"
LEAK_DAY, LEAK_HOST = 58, "worker-2"
_COMMENTS = {5: "Does what I need", 4: "Good", 3: "Fine, a bit slow", 2: "Too slow for us", 1: "Wrong results"}


def request(day: Day, user: User, session: str, clock: datetime) -> datetime:
    """One request at the time when it was answered, and the job that came of it.

    Returns:
        When all of it was over.
    """
    endpoint = day.rng.choices(ENDPOINTS, [e.weight for e in ENDPOINTS])[0]
    status = _status(day, user, endpoint)
    latency = _latency(day, user, endpoint, status)
    clock += timedelta(seconds=round(latency / 1000, 3))
    job = day.new_id("job") if status == 200 else None
    facts: dict[str, Any] = {"endpoint": endpoint.path, "type": endpoint.kind, "plan": user.account.plan}
    answer = {"status": status, "latency_ms": latency, "model": day.model}
    day.add("api.request", clock, user, {**facts, "account": user.account.name, **answer}, session=session, job=job)
    if job:
        return _process(day, user, session, job, endpoint, clock)
    if status >= 500:
        error = {"kind": "unavailable" if status == 503 else "internal", "endpoint": endpoint.path, "severity": "error"}
        day.add("error.raised", clock + timedelta(milliseconds=5), user, error, session=session)
    return clock


def _status(day: Day, user: User, endpoint: Endpoint) -> int:
    draw, is_free = day.rng.random(), user.account.plan == "free"
    region = user.account.place.region
    if (day.index, region, endpoint.path) == (OUTAGE_DAY, OUTAGE_REGION, OUTAGE_ENDPOINT) and draw < 0.85:
        return 503
    if draw < 0.012:
        return 500 if draw < 0.008 else 503
    if draw < 0.03:
        return 400
    return 429 if is_free and draw < 0.05 else 200


def _latency(day: Day, user: User, endpoint: Endpoint, status: int) -> float:
    """Milliseconds. The new model answers in four fifths of the time; Asia waits a little longer; refusals are quick."""
    if status in (400, 429):
        return round(25 * day.rng.lognormvariate(0, 0.4), 1)
    pace = (0.8 if day.index >= RELEASE_DAY else 1.0) * (1.15 if user.account.place.region == "ap-south" else 1.0)
    wait = 6.0 if status == 503 else 1.0
    return round(min(endpoint.latency_ms * pace * wait * day.rng.lognormvariate(0, 0.42), 60_000), 1)


def _process(day: Day, user: User, session: str, job: str, endpoint: Endpoint, clock: datetime) -> datetime:
    rng = day.rng
    seconds = round(rng.lognormvariate(0, 0.6) * (4 if endpoint.kind == "transcription" else 0.8), 3)
    clock += timedelta(seconds=seconds + 0.01)
    tokens = [round(t * rng.lognormvariate(0, 0.5)) for t in (endpoint.tokens_in, endpoint.tokens_out)]
    is_done = rng.random() >= endpoint.fails
    if not is_done:
        tokens[1] = 0
    price = endpoint.price * (0.7 if day.index >= RELEASE_DAY else 1.0)
    facts: dict[str, Any] = {"type": endpoint.kind, "model": day.model, "account": user.account.name, "seconds": seconds}
    facts |= {"tokens_in": tokens[0], "tokens_out": tokens[1], "cost": round(sum(tokens) / 1000 * price, 6)}
    if is_done:
        day.add("processing.completed", clock, user, facts, session=session, job=job)
        return _feedback(day, user, session, job, endpoint, clock)
    reason = pick(rng, {"bad_input": 50, "timeout": 35, "out_of_memory": 15})
    day.add("processing.failed", clock, user, {**facts, "reason": reason}, session=session, job=job)
    error = {"kind": reason, "endpoint": endpoint.path, "severity": "warning"}
    day.add("error.raised", clock + timedelta(milliseconds=5), user, error, session=session, job=job)
    return clock


def _feedback(day: Day, user: User, session: str, job: str, endpoint: Endpoint, clock: datetime) -> datetime:
    if day.rng.random() >= 0.035:
        return clock
    clock += timedelta(seconds=round(day.rng.uniform(4, 60), 3))
    better = 40 if day.index >= RELEASE_DAY else 0
    rating = day.rng.choices((5, 4, 3, 2, 1), (38 + better, 30, 15, 9, 8))[0]
    facts = {"rating": rating, "type": endpoint.kind, "model": day.model, "comment": _COMMENTS[rating]}
    day.add("feedback.given", clock, user, facts, session=session, job=job)
    return clock


def measure_machines(day: Day) -> None:
    """Each hour each host reports; one of them begins to leak memory."""
    for hour in range(24):
        busy = (0.35 + 0.3 * (8 <= hour <= 18)) * min(day.season, 1.6)
        for host, region in (("worker-1", "us-east"), ("worker-2", "eu-west")):
            leak = 0.9 * max(day.index - LEAK_DAY, 0) if host == LEAK_HOST else 0.0
            metrics = {
                "host": host,
                "cpu": round(min(100 * busy * day.rng.lognormvariate(0, 0.15), 100), 1),
                "memory": round(min(46 + leak + 8 * busy + day.rng.gauss(0, 1.5), 99), 1),
                "queue_depth": int(day.rng.expovariate(1 / (1 + 14 * busy**2))),
            }
            day.add("system.metrics", day.at(hour + day.rng.uniform(0, 0.05)), None, metrics, region=region)
