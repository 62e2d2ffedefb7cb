"""An AI platform that does not exist: developers, API requests, jobs, subscriptions, machines, and planted stories.

Every day is drawn from a seed of its own, so that a longer history begins with the same days. The cast is in
`ai_platform_world`, the requests are in `ai_platform_api`.
"""

import random
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from analytics_pipeline.samples.ai_platform_api import (
    LEAK_DAY,
    LEAK_HOST,
    OUTAGE_DAY,
    OUTAGE_ENDPOINT,
    OUTAGE_REGION,
    measure_machines,
    request,
)
from analytics_pipeline.samples.ai_platform_world import (
    NEW_MODEL,
    PLACES,
    PRICES,
    RELEASE_DAY,
    ZONE,
    Account,
    Day,
    Event,
    User,
    draw_account,
    draw_user,
)
from analytics_pipeline.samples.weights import pick

__all__ = ["DAYS", "ZONE", "Stories", "generate", "stories"]

DAYS = 90
_SEED = 57
_ESTABLISHED = 140
_PAGES = {"overview": 34, "docs": 26, "usage": 18, "keys": 12, "pricing": 10}
_VISITOR_PAGES = {"home": 40, "docs": 38, "pricing": 22}


@dataclass(frozen=True)
class Stories:
    """What was planted, and where."""

    outage_day: date
    outage_region: str
    outage_endpoint: str
    release_day: date
    release_model: str
    leak_day: date
    leak_host: str


@dataclass
class _Platform:
    accounts: list[Account] = field(default_factory=list)
    users: list[User] = field(default_factory=list)
    refunds: dict[int, list[User]] = field(default_factory=dict)

    def open_account(self, rng: random.Random, joined: int, colleagues: int) -> None:
        account = draw_account(rng, len(self.accounts), joined)
        self.accounts.append(account)
        for position in range(1 + colleagues):
            self.users.append(draw_user(rng, len(self.users), joined, account, is_owner=position == 0))


def stories(first_day: date) -> Stories:
    """The planted stories of a history that begins on this day."""
    outage, release, leak = (first_day + timedelta(days=d) for d in (OUTAGE_DAY, RELEASE_DAY, LEAK_DAY))
    return Stories(outage, OUTAGE_REGION, OUTAGE_ENDPOINT, release, NEW_MODEL, leak, LEAK_HOST)


def generate(first_day: date, days: int) -> list[list[Event]]:
    """The events of each day from the first on, in order of time; times in UTC."""
    platform = _Platform()
    for number in range(_ESTABLISHED):
        rng = random.Random(f"{_SEED}:old:{number}")
        platform.open_account(rng, -1, rng.choices((0, 1, 2), (60, 28, 12))[0])
    history = []
    for index in range(days):
        day = Day(random.Random(f"{_SEED}:day:{index}"), first_day + timedelta(days=index), index)
        for _ in range(day.newcomers):
            platform.open_account(day.rng, index, 0)
        _invite(day, platform)
        for user in platform.users:
            if day.rng.random() < _chance(day, user):
                _session(day, user)
        _bill(day, platform)
        measure_machines(day)
        _probe(day)
        history.append(sorted(day.events, key=lambda e: (e["occurred_at"], e["event_id"])))
    return history


def _invite(day: Day, platform: _Platform) -> None:
    """Owners of paying accounts bring a colleague now and then."""
    owners = [u for u in platform.users if u.is_owner and u.is_known and u.account.plan != "free"]
    for owner in owners:
        if day.rng.random() < 0.004:
            platform.users.append(draw_user(day.rng, len(platform.users), day.index, owner.account, is_owner=False))


def _chance(day: Day, user: User) -> float:
    """How likely it is that the user comes today."""
    age = day.index - user.joined
    if user.drifts_after is not None and age > user.drifts_after:
        return 0.0
    pays = 1.35 if user.account.plan != "free" else 1.0
    if user.joined < 0:
        return 0.115 * user.eagerness * pays * day.season
    return 0.33 * user.eagerness * pays * day.season / age**0.45 if age else 1.0


def _session(day: Day, user: User) -> None:
    """A stay in the console, requests, or both; the tracker gives it an id."""
    rng, session = day.rng, day.new_id("session")
    clock = day.at(day.office_hour(user.account.place))
    if not user.is_known:
        clock = _look_around(day, user, session, clock)
        if not user.is_known:
            return
    elif rng.random() < 0.55:
        clock = _view(day, user, session, clock, pick(rng, _PAGES))
    for _ in range(min(1 + int(rng.expovariate(0.3)), 25)):
        clock = request(day, user, session, clock + _pause(rng, 25))


def _pause(rng: random.Random, seconds: float) -> timedelta:
    return timedelta(seconds=round(0.5 + min(rng.expovariate(1 / seconds), 600), 3))


def _look_around(day: Day, user: User, session: str, clock: datetime) -> datetime:
    """A visitor reads, and may sign up."""
    for _ in range(day.rng.randint(1, 3)):
        clock = _view(day, user, session, clock, pick(day.rng, _VISITOR_PAGES))
    if user.signs_up and day.rng.random() < 0.75:
        user.is_known = True
        clock += _pause(day.rng, 60)
        facts = {"method": pick(day.rng, {"github": 55, "email": 30, "google": 15}), "account": user.account.name}
        facts["email"] = f"dev{user.number}@example.com"
        day.add("user.signed_up", clock, user, facts, session=session)
    return clock


def _view(day: Day, user: User, session: str, clock: datetime, page: str) -> datetime:
    """A page of the console or the site; on the prices some decide to pay, or to pay for more."""
    clock += _pause(day.rng, 20)
    day.add("page.viewed", clock, user, {"page": page}, session=session)
    account = user.account
    wishes = page == "pricing" and user.is_known and user.is_owner and account.plan != "team" and day.rng.random() < 0.4
    if not wishes:
        return clock
    before, account.plan = account.plan, "team" if account.plan == "pro" or day.rng.random() < 0.15 else "pro"
    account.billed_on = day.index
    clock += _pause(day.rng, 60)
    facts = {"account": account.name, "plan_before": before, "plan": account.plan}
    day.add("plan.upgraded", clock, user, facts, session=session)
    _charge(day, user, clock + _pause(day.rng, 4))
    return clock


def _charge(day: Day, owner: User, at: datetime, name: str = "subscription.charged") -> None:
    account = owner.account
    money = (PRICES[account.plan], account.place.currency)
    day.add(name, at, owner, {"account": account.name, "plan": account.plan}, money=money)


def _bill(day: Day, platform: _Platform) -> None:
    """Every thirty days; one in forty asks for the money back and is free again."""
    for owner in platform.refunds.pop(day.index, []):
        _charge(day, owner, day.at(day.rng.uniform(9, 17)), "subscription.refunded")
        owner.account.plan, owner.account.billed_on = "free", None
    for owner in [u for u in platform.users if u.is_owner and u.account.plan != "free"]:
        since = day.index - (owner.account.billed_on or 0)
        if since > 0 and since % 30 == 0:
            _charge(day, owner, day.at(day.rng.uniform(2, 3)))
            if day.rng.random() < 0.025:
                platform.refunds.setdefault(day.index + day.rng.randint(1, 5), []).append(owner)


def _probe(day: Day) -> None:
    """A monitor of our own asks every six hours."""
    account = Account(9999, PLACES[0], "team")
    probe = User(99999, 0, account, "synthetic-monitor", 1.0, None, True, True, False)
    for hour in (0, 6, 12, 18):
        request(day, probe, day.new_id("probe"), day.at(hour + day.rng.random() / 10))
