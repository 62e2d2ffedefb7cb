"""The models at size: a full build beside its own SQL run by hand, an incremental day on a short and on a long history, and the questions
of a dashboard.

Run: python benchmarks/marts.py [--events 10000000] [--per-day 40000] [--only full day dashboard] [--plans FOLDER]

The server is an embedded one in a temporary home, or the one named by ANALYTICS_DATABASE_URL (in databases of its own, which are dropped).
Events of the shipped ecommerce plan are drawn in SQL from a seed: persons return with a skew, are anonymous at first, and partly log in;
0.5% of the events are one to three days late. Ten million events take about 15 GB of disk; give TMPDIR where /tmp is too small.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo

import psycopg

from analytics_pipeline.modelling.builds import Build, begin_build
from analytics_pipeline.modelling.dbt import dbt_environment, dbt_executable
from analytics_pipeline.modelling.publish import TABLES, publish_build
from analytics_pipeline.quality.holds import release_pending
from analytics_pipeline.settings import Settings
from analytics_pipeline.shipped import shipped
from analytics_pipeline.tracking_plan.compile import compile_plan
from analytics_pipeline.tracking_plan.publish import publish_plan
from analytics_pipeline.tracking_plan.read import read_plan
from analytics_pipeline.warehouse import embedded
from analytics_pipeline.warehouse.connection import Warehouse
from analytics_pipeline.warehouse.migrate import migrate
from analytics_pipeline.warehouse.partitions import WEEK, Partitions, week_of

PLAN = Path(__file__).parents[1] / "analytics_pipeline" / "tracking_plan" / "plans" / "ecommerce.yml"
# Histories end on the same day, so that weeks and months are equally full.
ZONE, END = ZoneInfo("Europe/Berlin"), date(2026, 7, 20)
DAYS, SHORT, LONG, WINDOW_DAYS = 90, 45, 180, 14
FULL_LIMIT, DAY_LIMIT, QUESTION_LIMIT = 1.3, 1.2, 50
# Of a day with 111,000 events: 11,000 persons, of whom 333 are new; 30,000 persons are there before the first day.
EVENTS_PER_VISIT, EVENTS_PER_NEWCOMER, EVENTS_PER_ESTABLISHED = 7.6, 333, 3.7
BUILD_SCHEMAS = ("build_staging", "build_intermediate", "build_marts", "build_kpi")
EVENT_TABLES = ("int_events", "int_funnel_events", "int_conversion_events", "fct_events")

PERSONS = """
create table bench.persons as
select
    n,
    joined,
    country,
    regions[1 + floor(power(random(), 1.5) * cardinality(regions))::int] as region,
    device,
    case when device = 'desktop' or random() < 0.45 then 'web' when random() < 0.45 then 'ios' else 'android' end as platform,
    case when random() < 0.55 then case when joined < 0 or random() < 0.5 then joined else joined + ceil(power(random(), 2) * 14)::int end end
        as signed_up_on
from (
    select
        n,
        case when n < %(established)s::bigint then -1 else (n - %(established)s::bigint) / %(newcomers)s::bigint end as joined,
        case when c < 0.54 then 'DE' when c < 0.66 then 'AT' when c < 0.77 then 'CH' when c < 0.87 then 'FR' when c < 0.95 then 'NL' else 'PL' end
            as country,
        case when d < 0.66 then 'mobile' when d < 0.93 then 'desktop' else 'tablet' end as device
    from (select n, random() as c, random() as d from generate_series(0, %(persons)s::bigint - 1) as n) as drawn
) as p
inner join (
    values
    ('DE', array['Nordrhein-Westfalen', 'Bayern', 'Baden-Württemberg', 'Berlin', 'Hamburg', 'Sachsen']),
    ('AT', array['Wien', 'Steiermark', 'Tirol']), ('CH', array['Zürich', 'Bern', 'Genève', 'Basel']),
    ('FR', array['Île-de-France', 'Grand Est', 'Occitanie']), ('NL', array['Noord-Holland', 'Zuid-Holland', 'Utrecht']),
    ('PL', array['Mazowieckie', 'Małopolskie'])
) as r (country, regions) using (country)
"""
# Anonymous visitors of the last 30 days, who log in on this day instead of later or never.
LOG_INS = """
update bench.persons set signed_up_on = %(day)s
where n in (
    select n from bench.persons
    where joined between %(day)s::bigint - 30 and %(day)s::bigint - 1 and (signed_up_on is null or signed_up_on > %(day)s::bigint)
    order by md5(n::text) limit %(log_ins)s
)
"""
# A day's visits, their events, and what a load leaves in the books. Visits have a step every 20 seconds.
EVENTS = """
with drawn as (
    select n from bench.persons where joined = %(day)s::bigint or signed_up_on = %(day)s::bigint and joined < %(day)s
    union all
    select floor(power(random(), 1.3) * (%(established)s::bigint + %(newcomers)s::bigint * %(day)s::bigint))::bigint from generate_series(1, (0.85 * %(visits)s::bigint)::int)
    union all
    select %(established)s::bigint + %(newcomers)s::bigint * (%(day)s::bigint + 1) - 1 - floor(random() * %(newcomers)s::bigint * least(%(day)s::bigint + 1, 14))::bigint
    from generate_series(1, (0.12 * %(visits)s::bigint)::int)
),
visits as materialized (
    select
        row_number() over () as visit,
        row_number() over (partition by n order by starts) as number,
        p.*,
        (
            %(date)s::date - case when %(day)s::bigint >= 3 and random() < 0.005 then 1 + floor(random() * 3)::int else 0 end
            + starts * interval '1 second'
        ) at time zone 'Europe/Berlin' as started_at,
        random() < 0.25 as is_bounce,
        1 + least(12, floor(-ln(1 - random()) * 4.5))::int as views,
        random() < 0.35 as searches,
        random() < 0.16 as filters,
        random() < 0.15 as beats,
        country = 'CH' and n %% 3 = 0 as pays_in_francs,
        (array['kitchen', 'garden', 'books', 'lighting', 'toys', 'textiles'])[1 + floor(random() * 6)::int] as searched
    from (select n, mod(random_normal(52200, 16200)::numeric + 172800, 86400)::int as starts from drawn) as d
    inner join bench.persons as p using (n)
),
views as materialized (
    select
        visit,
        i,
        category,
        jsonb_build_object('product', category || '-' || floor(random() * 40), 'category', category, 'price', price) as item,
        price,
        random() < 0.19 as is_carted,
        random() < 0.3 as goes_on
    from (
        select
            visit,
            i,
            (array['kitchen', 'garden', 'books', 'lighting', 'toys', 'textiles'])[kind] as category,
            round(((array[18, 32, 14, 45, 22, 38])[kind] * exp(random_normal(0, 0.35)))::numeric, 2) as price
        from (
            select visit, i, 1 + floor(random() * 6)::int as kind from visits cross join lateral generate_series(1, views) as i
            where not is_bounce
        ) as k
    ) as v
),
orders as materialized (
    select
        visit,
        jsonb_build_object('items', count(*), 'category', (array_agg(category order by i))[1]) as facts,
        jsonb_build_object('order', 'order-' || gen_random_uuid()) as number,
        sum(price) as total,
        random() < 0.82 as is_paid,
        random() < 0.03 as is_refunded
    from views where is_carted group by visit having random() < 0.86
),
steps as (
    select visit, 0 as step, 'page_view' as event_name, null::numeric as value, '{"path": "/"}'::jsonb as properties from visits
    union all
    select visit, 1, 'sign_up', null, '{"method": "email"}' from visits where signed_up_on = %(day)s::bigint and number = 1
    union all
    select visit, 2, 'search', null, jsonb_build_object('query', searched) from visits where searches and not is_bounce
    union all
    select visit, 3, 'filter', null, jsonb_build_object('by', 'price', 'category', searched) from visits where filters and not is_bounce
    union all
    select visit, 4, 'heartbeat', null, '{}' from visits where beats and not is_bounce
    union all
    select visit, 3 + 3 * i, 'product_view', null, item from views
    union all
    select visit, 4 + 3 * i, 'add_to_cart', null, item from views where is_carted
    union all
    select visit, 5 + 3 * i, 'page_view', null, jsonb_build_object('path', '/' || category) from views where goes_on
    union all
    select visit, 44, 'checkout_start', null, facts from orders
    union all
    select visit, 47, 'purchase', total, facts || number from orders where is_paid
    union all
    select visit, 400, 'refund', total, number || jsonb_build_object('category', facts -> 'category') from orders where is_paid and is_refunded
),
stored as (
    insert into raw.events (
        event_id, event_name, occurred_at, received_at, source, user_id, anonymous_id, country, region, device_type, platform, app_version,
        value, currency, properties, batch_id
    )
    select
        event_id, event_name, occurred_at, %(received)s, 'bench',
        case when is_known or event_name = 'sign_up' then 'user-' || n end,
        case when not is_known or event_name = 'sign_up' then 'anon-' || n end,
        country, region, device, platform, '3.5.0',
        case when pays_in_francs then round(value / 1.06, 2) else value end,
        case when value is not null then case when pays_in_francs then 'CHF' else 'EUR' end end,
        properties, %(batch)s
    from (
        select
            s.*, v.n, v.country, v.region, v.device, v.platform, v.pays_in_francs,
            gen_random_uuid() as event_id,
            v.started_at + s.step * interval '20 seconds' + random() * interval '15 seconds' as occurred_at,
            coalesce(v.signed_up_on < %(day)s::bigint or v.signed_up_on = %(day)s::bigint and (v.number > 1 or s.step > 0), false) as is_known
        from steps as s inner join visits as v using (visit)
    ) as e
    order by event_id
    returning occurred_at, user_id, anonymous_id
),
noted as (
    insert into ops.changes (cause, batch_id, day, person_key)
    select 'ingest', %(batch)s, (occurred_at at time zone 'Europe/Berlin')::date, null from stored group by 3
    union all
    select 'ingest', %(batch)s, null, 'u:' || user_id from stored where user_id is not null group by 4
    union all
    select 'ingest', %(batch)s, null, 'a:' || anonymous_id from stored where anonymous_id is not null group by 4
)
insert into raw.ingest_batches (
    batch_id, source, uri, content_sha256, mapping_sha256, status, rows_read, rows_accepted, min_occurred_at, max_occurred_at, started_at,
    finished_at, commit_order
)
select
    %(batch)s, 'bench', 'day-' || %(day)s::bigint, 'day-' || %(day)s::bigint, 'none', 'loaded', count(*), count(*), min(occurred_at), max(occurred_at),
    %(received)s, %(received)s, nextval('raw.commit_order')
from stored
"""
READS = """
select schemaname, relname, relid, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) as rows from pg_stat_user_tables
where schemaname = 'raw' or schemaname in ('marts', 'kpi') or starts_with(schemaname, 'build_')
"""
LAST = "(select max(period_date) - 1 from kpi.kpi_values where grain = 'day' and dimension = 'all' and kpi_name = 'orders')"
QUESTIONS = {
    "KPI trend, 90 days": f"""
        select period_date, value, is_partial from kpi.kpi_values
        where kpi_name = 'net_revenue' and grain = 'day' and dimension = 'all' and dimension_value = 'all' and period_date > {LAST} - 90
        order by period_date""",
    "KPI by dimension, 90 days": f"""
        select period_date, dimension_value, value from kpi.kpi_values
        where kpi_name = 'orders' and grain = 'day' and dimension = 'country' and period_date > {LAST} - 90 order by 1, 2""",
    "headline KPIs with status": f"""
        select d.title, s.value, s.status, s.target, p.value as week_before
        from kpi.kpi_definitions as d
        inner join kpi.kpi_status as s on d.kpi_name = s.kpi_name and s.grain = 'day' and s.period_date = {LAST}
        left join kpi.kpi_status as p on d.kpi_name = p.kpi_name and p.grain = 'day' and p.period_date = {LAST} - 7
        where d.headline order by d.position""",
    "funnel of 30 entry days": f"""
        select step, sum(persons) as persons from marts.fct_funnel
        where funnel = 'purchase' and dimension = 'all' and entry_day between {LAST} - 29 and {LAST} group by step order by step""",
    "retention triangle": """
        select cohort_start, period, persons, rate, is_partial from marts.fct_retention
        where retention = 'weekly' and dimension = 'all' order by cohort_start, period""",
    "active users, 90 days": f"""
        select day, dau, wau, mau, stickiness from marts.fct_active_users where dimension = 'all' and day > {LAST} - 90 order by day""",
    "lifecycle by week": "select period_start, status, persons from marts.fct_lifecycle where grain = 'week' order by 1, 2",
    "movers, week over week": f"""
        select dimension, dimension_value,
            sum(value) filter (where period_date > {LAST} - 7) - coalesce(sum(value) filter (where period_date <= {LAST} - 7), 0) as change
        from kpi.kpi_values
        where kpi_name = 'net_revenue' and grain = 'day' and dimension <> 'all' and period_date between {LAST} - 13 and {LAST}
        group by 1, 2 order by abs(sum(value) filter (where period_date > {LAST} - 7)
            - coalesce(sum(value) filter (where period_date <= {LAST} - 7), 0)) desc nulls last limit 10""",
    "revenue by currency": f"""
        select currency, sum(original_gross), sum(gross), sum(refunded), sum(net) from marts.fct_revenue where day > {LAST} - 90
        group by currency order by 5 desc""",
    "geography, top 20": f"""
        select country, region, city, sum(events), sum(sessions), sum(net_revenue) from marts.fct_geography where day > {LAST} - 30
        group by 1, 2, 3 order by 6 desc limit 20""",
    "transitions, top 20": f"""
        select source, target, sum(transitions), sum(mean_seconds * transitions) / nullif(sum(transitions), 0) from marts.fct_transitions
        where flow = 'shopping' and day > {LAST} - 30 group by 1, 2 order by 3 desc limit 20""",
}


@dataclass
class Run:
    """What one build took.

    Attributes:
        seconds: of begin_build, dbt and publishing.
        publishing: of these, the seconds of publishing.
        models: seconds in the database per model, as dbt has them.
        reads: rows read per table (schema.table, partitions of raw.events as one).
    """

    seconds: float
    publishing: float
    models: dict[str, float]
    reads: Counter[str] = field(default_factory=Counter)


class Bench:
    """A database with generated events, and builds of it by dbt, without Dagster."""

    def __init__(self, url: str, home: Path, per_day: int, history: int, more: int = 0) -> None:
        """Args: per_day: events. history: days before END. more: days after it that can be loaded."""
        days, self.first = history + more, END - timedelta(days=history)
        self.url, self.settings, self.warehouse = url, Settings(home=home), Warehouse(url, is_embedded=False)
        self.loaded = 0
        self.connection = psycopg.connect(url, autocommit=True, options="-c timezone=UTC")
        publish_plan(self.connection, compile_plan(read_plan(PLAN), PLAN))
        start = self.local_time(-4)
        Partitions(self.connection).ensure({week_of(start + n * WEEK) for n in range((days + 10) // 7 + 2)})
        self._draw = {
            "established": max(1, int(per_day / EVENTS_PER_ESTABLISHED)),
            "newcomers": max(1, per_day // EVENTS_PER_NEWCOMER),
            "visits": per_day / EVENTS_PER_VISIT,
        }
        self.connection.execute("create schema bench")
        self.connection.execute("select setseed(0.5)")
        self.connection.execute(PERSONS, {**self._draw, "persons": self._draw["established"] + self._draw["newcomers"] * days})
        self.connection.execute("alter table bench.persons add primary key (n)")
        self.connection.execute("create index on bench.persons (joined)")
        self.connection.execute("create index on bench.persons (signed_up_on)")
        self.connection.execute("analyze bench.persons")

    def local_time(self, day: int, hour: int = 0) -> datetime:
        """A moment of the plan's zone: days since the first."""
        return datetime.combine(self.first + timedelta(days=day), datetime.min.time(), ZONE).replace(hour=hour)

    def load(self, days: int = 1, *, log_ins: float = 0) -> None:
        """One batch a day, as a load leaves it. log_ins: visitors of earlier days who log in, as a multiple of a day's newcomers."""
        for _ in range(days):
            number = self.loaded
            values = {**self._draw, "day": number, "date": self.first + timedelta(days=number), "batch": uuid.uuid4()}
            values["received"] = self.local_time(number + 1)
            if log_ins:
                self.connection.execute(LOG_INS, {**values, "log_ins": int(log_ins * self._draw["newcomers"])})
            self.connection.execute("select setseed(%s)", (math.sin(number),))
            self.connection.execute(EVENTS, values)
            self.loaded += 1

    def rest(self) -> None:
        """What autovacuum has done by the next day."""
        self.connection.execute("vacuum analyze")
        self.connection.execute("checkpoint")

    def dbt(self, command: str, *arguments: str) -> None:
        environment = {**os.environ, **self.warehouse.environment(), **dbt_environment(self.settings)}
        line = [dbt_executable(), command, "--project-dir", str(shipped("dbt_project")), "--quiet", *arguments]
        done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)

    def begin(self, *, full: bool = False) -> Build:
        release_pending(self.connection)
        return begin_build(self.connection, self.local_time(self.loaded, 3), full_refresh=full)

    def build(self, *, full: bool = False) -> Run:
        """Build and publish what is loaded, as of three o'clock of the night that follows."""
        before = self._reads()
        began = time.monotonic()
        build = self.begin(full=full)
        if build.is_full != full:
            sys.exit("the code has changed during the measurement: incremental builds became full ones")
        self.dbt("run", *(["--full-refresh"] if build.is_full else []))
        built = time.monotonic()
        publish_build(self.connection, build)
        ended = time.monotonic()
        results = json.loads((self.settings.dbt_target / "run_results.json").read_text())["results"]
        models = {r["unique_id"].split(".")[-1]: r["execution_time"] for r in results}
        run = Run(ended - began, ended - built, models)
        for key, rows in self._reads().items():
            run.reads[key[0]] += rows - before.get(key, 0)
        return run

    def _reads(self) -> dict[tuple[str, int], int]:
        self.connection.execute("select pg_stat_force_next_flush()")
        self.connection.execute("select pg_stat_clear_snapshot()")
        rows = self.connection.execute(READS).fetchall()
        return {
            (f"{schema}.{'events' if schema == 'raw' and name.startswith('events') else name}", relid): n
            for schema, name, relid, n in rows
        }

    def texts(self) -> dict[str, tuple[str, str, set[str]]]:
        """Of each model that dbt has run: name, the statements by hand, and the models that have to be there before."""
        target = self.settings.dbt_target
        nodes = json.loads((target / "manifest.json").read_text())["nodes"]
        models = {k: n for k, n in nodes.items() if n["resource_type"] == "model"}
        found = {}
        for key, node in models.items():
            query = (target / "compiled" / "analytics" / node["original_file_path"]).read_text()
            relation = f'"{node["schema"]}"."{node["name"]}"'
            kind = "view" if node["config"]["materialized"] == "view" else "table"
            statements = [f"create {kind} {relation} as {query}"]
            for number, index in enumerate(node["config"].get("indexes") or []):
                unique = "unique " if index.get("unique") else ""
                statements.append(
                    f'create {unique}index "{node["name"]}_{number}" on {relation} ({", ".join(index["columns"])})'
                )
            if node["config"]["post-hook"]:
                statements.append(f"analyze {relation}")
            found[key] = (node["name"], ";\n".join(statements) + ";", {d for d in node["depends_on"]["nodes"] if d in models})
        return found


def by_hand(bench: Bench) -> dict[str, float]:
    """The texts of the full build through psql, in the order of the graph, as many at a time as dbt runs; seconds per model."""
    texts = bench.texts()
    for schema in BUILD_SCHEMAS:
        bench.connection.execute(f"drop schema if exists {schema} cascade")
        bench.connection.execute(f"create schema {schema}")
    bench.connection.execute("checkpoint")
    build = bench.begin(full=True)
    took: dict[str, float] = {}

    def psql(name: str, text: str) -> None:
        began = time.monotonic()
        line = ["psql", bench.url, "-qX", "-v", "ON_ERROR_STOP=1", "-c", "set timezone = 'UTC'", "-f", "-"]
        done = subprocess.run(line, input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{name}: {done.stderr}")
        took[name] = time.monotonic() - began

    order = TopologicalSorter({key: needed for key, (_, _, needed) in texts.items()})
    order.prepare()
    running: dict[Future[None], str] = {}
    with ThreadPoolExecutor(2) as pool:
        while order.is_active():
            for key in order.get_ready():
                running[pool.submit(psql, *texts[key][:2])] = key
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                done.result()
                order.done(running.pop(done))
    bench.connection.execute("update ops.builds set status = 'abandoned' where build_id = %s", (build.build_id,))
    return took


def full(bench: Bench, plans: Path | None, *, with_peer: bool, with_questions: bool) -> None:
    began = time.monotonic()
    bench.load(DAYS)
    events = scalar(bench, "select count(*) from raw.events")
    persons = scalar(bench, "select count(distinct coalesce(user_id, anonymous_id)) from raw.events")
    bench.rest()
    size = scalar(bench, "select pg_size_pretty(pg_database_size(current_database()))")
    print(f"{events:,} events of {persons:,} ids in {DAYS} days, {size}, drawn in {time.monotonic() - began:.0f} s", flush=True)
    bench.dbt("parse")
    run = bench.build(full=True)
    print(f"full build                       {run.seconds:8.1f} s, of which publishing {run.publishing:.1f} s")
    if with_questions:
        questions(bench, "right after publishing")
    if not with_peer:
        return
    rows = table_rows(bench)
    began = time.monotonic()
    took = by_hand(bench)
    hand = time.monotonic() - began
    print(
        f"its SQL by hand                  {hand:8.1f} s: create table as, indexes, dbt's analyze; psql, 2 at a time; not published"
    )
    print(f"ratio                            {run.seconds / hand:8.2f}   (limit {FULL_LIMIT})")
    tell_slowest(run, took)
    if rows != table_rows(bench):
        sys.exit("the tables by hand have other numbers of rows")
    if plans:
        explain(bench, max(took, key=lambda name: took[name]), plans)


def table_rows(bench: Bench) -> dict[str, Any]:
    return {t.name: scalar(bench, f"select count(*) from build_{t.schema}.{t.name}") for t in TABLES}


def explain(bench: Bench, name: str, folder: Path) -> None:
    """The plan of a model's query, executed, as a file."""
    bench.begin(full=True)
    text = next(text for found, text, _ in bench.texts().values() if found == name)
    query = text.partition(" as ")[2].partition(";\n")[0].rstrip(";")
    lines = bench.connection.execute(f"explain (analyze, buffers) {query}".encode()).fetchall()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.txt").write_text("\n".join(line for (line,) in lines) + "\n")
    print(f"plan of {name}: {folder / f'{name}.txt'}")


def tell_slowest(run: Run, by_hand: dict[str, float], count: int = 10) -> None:
    print(f"    {'slowest models':<28} {'dbt':>10} {'by hand':>10}")
    for name, seconds in sorted(run.models.items(), key=lambda item: -item[1])[:count]:
        print(f"    {name:<28} {seconds:8.1f} s {by_hand[name]:8.1f} s")


def scalar(bench: Bench, query: str) -> Any:
    row = bench.connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def one_day(bench: Bench, title: str, *, log_ins: float = 0) -> tuple[Run, int]:
    """Load a day, build it, and tell what was read.

    Returns:
        The run, and the event rows that it read.
    """
    bench.load(log_ins=log_ins)
    moved = "select count(*) from build_intermediate.int_moved_ids"
    run = bench.build()
    touched = scalar(
        bench,
        "select count(*) from build_intermediate.int_events where day in (select day from build_intermediate.int_changed_days)",
    )
    window = scalar(
        bench,
        f"""select count(*) from build_intermediate.int_events
        where day >= (select min(day) - {WINDOW_DAYS + 1} from build_intermediate.int_changed_days)""",
    )
    event_rows = sum(n for name, n in run.reads.items() if name == "raw.events" or name.partition(".")[2] in EVENT_TABLES)
    print(
        f"{title:<32} {run.seconds:8.1f} s, publishing {run.publishing:.1f} s; {scalar(bench, moved):,} ids moved; {event_rows:,} event rows read: "
        f"{event_rows / touched:.1f} x the {touched:,} of touched days, {event_rows / window:.1f} x the {window:,} of their window",
        flush=True,
    )
    bench.rest()
    return run, event_rows


def history(bench: Bench, days: int, repeats: int) -> tuple[list[Run], list[int], Run]:
    bench.load(days)
    bench.rest()
    bench.build(full=True)
    bench.rest()
    print(f"{days} days, {scalar(bench, 'select count(*) from raw.events'):,} events", flush=True)
    found = [one_day(bench, f"  a day ({number + 1} of {repeats})") for number in range(repeats)]
    changed, _ = one_day(bench, "  a day on which many log in", log_ins=8)
    return [run for run, _ in found], [rows for _, rows in found], changed


def compare(short: Run, long: Run) -> None:
    """Models and tables that cost more on the longer history."""
    print(f"    {'seconds of models':<44} {SHORT:>9} {LONG:>11} days")
    growth = sorted(long.models, key=lambda name: short.models.get(name, 0) - long.models[name])
    for name in growth[:8]:
        print(f"    {name:<44} {short.models.get(name, 0):9.2f} {long.models[name]:11.2f}")
    print("    rows read")
    for name, rows in sorted(long.reads.items(), key=lambda item: short.reads[item[0]] - item[1])[:14]:
        print(f"    {name:<44} {short.reads[name]:9,} {rows:11,}")


def day(make: Callable[[int, int], Any], repeats: int) -> None:
    found = {}
    for days in (SHORT, LONG):
        with make(days, repeats + 2) as bench:
            found[days] = history(bench, days, repeats)
    short, long = found[SHORT], found[LONG]
    seconds = [statistics.median(run.seconds for run in runs) for runs in (short[0], long[0])]
    print(f"a day after {SHORT} and after {LONG} days: {seconds[0]:.1f} s, {seconds[1]:.1f} s")
    print(f"ratio                            {seconds[1] / seconds[0]:8.2f}   (limit {DAY_LIMIT})")
    print(
        f"ratio of event rows read         {statistics.median(long[1]) / statistics.median(short[1]):8.2f}   (limit {DAY_LIMIT})"
    )
    print(f"ratio where many log in          {long[2].seconds / short[2].seconds:8.2f}   (limit {DAY_LIMIT})")
    compare(short[0][-1], long[0][-1])
    print("  where many log in")
    compare(short[2], long[2])


def questions(bench: Bench, when: str, times: int = 30) -> None:
    print(f"questions of a dashboard, {when}: p95 of {times}, limit {QUESTION_LIMIT} ms")
    with psycopg.connect(bench.url, autocommit=True, options="-c timezone=UTC") as reader:
        for title, query in QUESTIONS.items():
            took, rows = [], 0
            for _ in range(times):
                began = time.monotonic()
                rows = len(reader.execute(query.encode()).fetchall())
                took.append((time.monotonic() - began) * 1000)
            p95 = statistics.quantiles(took, n=20)[-1]
            if not rows:
                sys.exit(f"{title}: no rows")
            print(f"    {title:<28} {p95:8.1f} ms {rows:6,} rows   {p95 / QUESTION_LIMIT:5.2f} of the limit", flush=True)


@contextmanager
def database(server: str, work: Path, per_day: int, history: int, more: int = 0) -> Iterator[Bench]:
    """A database of its own, dropped in the end."""
    name = f"bench_{uuid.uuid4().hex[:8]}"
    url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f"create database {name}".encode())
        try:
            migrate(url)
            bench = Bench(url, work / name, per_day, history, more)
            yield bench
            bench.connection.close()
        finally:
            admin.execute(f"drop database {name} with (force)".encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000, help=f"of the full build and the dashboard, in {DAYS} days")
    parser.add_argument("--per-day", type=int, default=40_000, help="events a day of the incremental days")
    parser.add_argument("--repeats", type=int, default=3, help="ordinary incremental days")
    parser.add_argument("--only", nargs="+", choices=["full", "day", "dashboard"], default=["full", "day", "dashboard"])
    parser.add_argument("--plans", type=Path, help="folder for the plan of the slowest model of the full build")
    options = parser.parse_args()
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="marts-")))
        work.chmod(0o755)
        server = os.environ.get("ANALYTICS_DATABASE_URL", "")
        if not server:
            stack.enter_context(embedded.acquire(work / "home"))
            server = embedded.server_url(work / "home")
        if {"full", "dashboard"} & set(options.only):
            with database(server, work, options.events // DAYS, DAYS) as bench:
                full(bench, options.plans, with_peer="full" in options.only, with_questions="dashboard" in options.only)
        if "day" in options.only:
            day(lambda history, more: database(server, work, options.per_day, history, more), options.repeats)


if __name__ == "__main__":
    main()
