"""OpenLineage events of real Dagster runs, held against the specification, to real files and a real HTTP server."""

import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import SecretStr
from referencing import Registry, Resource

from analytics_pipeline.errors import UsageError
from analytics_pipeline.lineage.datasets import Dataset, Datasets, of_uri
from analytics_pipeline.lineage.emit import emit_run
from analytics_pipeline.lineage.outbox import Delivery, Unreachable, deliver, keep
from analytics_pipeline.lineage.runs import read_run
from analytics_pipeline.lineage.sensors import lineage_sensors
from analytics_pipeline.settings import Settings, load_settings
from analytics_pipeline.warehouse.connection import Warehouse
from tests.openlineage import Event, assert_valid
from tests.warehouse.conftest import free_port

pytestmark = pytest.mark.only_on("embedded", "Dagster's runs do not depend on the server")
TOKEN = "s3cret-of-the-catalogue"


@pytest.mark.skipif(
    "ANALYTICS_TEST_OPENLINEAGE_SPEC" not in os.environ, reason="names the folder spec of OpenLineage's repository"
)
def test_events_are_valid_by_the_schemas_of_openlineage_itself(ran: "Ran") -> None:
    folder = Path(os.environ["ANALYTICS_TEST_OPENLINEAGE_SPEC"])
    schemas = [json.loads(path.read_text()) for path in [folder / "OpenLineage.json", *(folder / "facets").glob("*.json")]]
    registry: Registry[Any] = Registry().with_resources((s["$id"], Resource.from_contents(s)) for s in schemas)
    names = {s["$id"]: s["properties"] for s in schemas if "properties" in s}
    checked = 0
    for event in ran.emit():
        parts = [event["run"], event["job"], *event["inputs"], *event["outputs"]]
        all_facets = [f for part in parts for key in ("facets", "inputFacets") for f in part.get(key, {}).items()]
        assert all(name in names[f["_schemaURL"].split("#")[0]] for name, f in all_facets)
        for reference, value in [(event["schemaURL"], event), *((f["_schemaURL"], f) for _, f in all_facets)]:
            Draft202012Validator({"$ref": reference}, registry=registry, format_checker=FormatChecker()).validate(value)
            checked += 1
    assert checked > 20


def table(*names: str) -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(name, "numeric", f"about {name}") for name in names])


@dg.asset(key=["ingest", "shop"], description="Loads.")
def ingest() -> dg.MaterializeResult:  # type: ignore[type-arg]
    return dg.MaterializeResult(metadata={"dagster/uri": "s3://bucket/events", "dagster/column_schema": table("money")})


@dg.multi_asset(specs=[dg.AssetSpec(["raw", "events"], deps=[ingest], description="Rows."), dg.AssetSpec(["raw", "quarantine"], deps=[ingest])])  # fmt: skip
def raw() -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
    lineage = {"value": [dg.TableColumnDep(ingest.key, "money")], "n": []}
    yield dg.MaterializeResult(
        asset_key=["raw", "events"],
        metadata={
            "dagster/column_schema": table("value", "n"),
            "dagster/column_lineage": dg.TableColumnLineage(lineage),
        },
    )
    yield dg.MaterializeResult(asset_key=["raw", "quarantine"])


@dg.asset(key=["quality", "raw_gate"], deps=[["raw", "events"]], description="Judges.")
def gate(context: dg.AssetExecutionContext) -> None:
    return


class Config(dg.Config):
    fails: bool = False


@dg.asset(key=["kpi", "kpi_values"], deps=[gate, ["raw", "events"], ["config", "tracking_plan"]])
def kpi(config: Config) -> dg.MaterializeResult:  # type: ignore[type-arg]
    if config.fails:
        raise ValueError("value is out of range\nDETAIL:  Failing row contains (anna@example.com)")
    deps = [(["raw", "events"], "value"), (["config", "tracking_plan"], "rates.rate")]
    lineage = {"value": [dg.TableColumnDep(dg.AssetKey(key), column) for key, column in deps]}
    return dg.MaterializeResult(metadata={"dagster/column_lineage": dg.TableColumnLineage(lineage)})


@dg.asset(key=["reports", "page"], deps=[kpi])
def page() -> dg.MaterializeResult:  # type: ignore[type-arg]
    return dg.MaterializeResult(metadata={"dagster/uri": "file:///tmp/a%20page.html"})


class Ran:
    """Runs of a small graph on a real instance, and what was told of them."""

    def __init__(self, settings: Settings, warehouse: Warehouse, instance: dg.DagsterInstance) -> None:
        self.settings, self.warehouse, self.instance = settings, warehouse, instance
        definitions = dg.Definitions(
            [ingest, raw, gate, kpi, page], jobs=[dg.define_asset_job("everything", "*")], executor=dg.in_process_executor
        )
        self.graph, self.job = definitions.resolve_asset_graph(), definitions.resolve_job_def("everything")
        self.line: str | None = None

    def run(self, *, fails: bool = False) -> str:
        config = {"ops": {"kpi__kpi_values": {"config": {"fails": fails}}}}
        return self.job.execute_in_process(instance=self.instance, raise_on_error=False, run_config=config).run_id

    def tell(self, run_id: str, target: str, token: str | None = None) -> str | None:
        secret = SecretStr(token) if token else None
        settings = self.settings.model_copy(update={"openlineage": target, "openlineage_token": secret})
        return emit_run(self.instance, run_id, self.graph, settings, self.warehouse)

    def emit(self, **options: bool) -> list[Event]:
        """Events of one new run, by way of a file."""
        target = self.settings.home / f"{uuid.uuid4()}.ndjson"
        self.line = self.tell(self.run(**options), str(target))
        return [json.loads(line) for line in target.read_text().splitlines()]


@pytest.fixture
def ran(planned: psycopg.Connection, warehouse: Warehouse, tmp_path: Path) -> Iterator[Ran]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Ran(Settings(home=tmp_path / "home"), warehouse, instance)


def of_job(events: list[Event], name: str) -> Event:
    """The one that ends a job."""
    return next(e for e in events if e["job"]["name"] == name and e["eventType"] != "START")


def names(datasets: list[Event]) -> list[str]:
    return [
        f"{d['namespace']} {d['name']}".replace(d["name"].split(".")[0], "db", 1)
        if "postgres" in d["namespace"]
        else f"{d['namespace']} {d['name']}"
        for d in datasets
    ]


def test_a_run_is_told_with_each_asset_its_inputs_and_its_output(ran: Ran) -> None:
    events = ran.emit()
    assert ran.line is None
    assert_valid(events)
    assert {e["job"]["name"] for e in events} == {
        "everything", "ingest.shop", "raw.events", "raw.quarantine", "quality.raw_gate", "kpi.kpi_values", "reports.page",
    }  # fmt: skip
    assert {e["job"]["namespace"] for e in events} == {"analytics_pipeline.small"}
    assert {e["eventType"] for e in events} == {"START", "COMPLETE"}
    place = "postgres://localhost:5432"
    loaded, values = of_job(events, "raw.events"), of_job(events, "kpi.kpi_values")
    assert names(of_job(events, "ingest.shop")["inputs"]) == ["s3://bucket events"]
    assert of_job(events, "ingest.shop")["outputs"] == []
    assert (names(loaded["inputs"]), names(loaded["outputs"])) == (["s3://bucket events"], [f"{place} db.raw.events"])
    assert names(of_job(events, "quality.raw_gate")["outputs"]) == []
    assert set(names(values["inputs"])) == {f"{place} db.raw.events", f"{place} db.config.plan"}
    assert names(of_job(events, "reports.page")["outputs"]) == ["file /tmp/a page.html"]
    run = next(e["run"]["runId"] for e in events if e["job"]["name"] == "everything")
    assert values["run"]["facets"]["parent"]["run"]["runId"] == run
    assert values["run"]["facets"]["parent"]["job"]["name"] == "everything"
    assert ran.instance.get_run_by_id(run) is not None


def test_columns_and_where_they_come_from_are_told(ran: Ran) -> None:
    events = ran.emit()
    (out,) = of_job(events, "raw.events")["outputs"]
    assert out["facets"]["schema"]["fields"] == [
        {"description": f"about {name}", "fields": [], "name": name, "type": "numeric"} for name in ("value", "n")
    ]
    assert out["facets"]["documentation"]["description"] == "Rows."
    fields = out["facets"]["columnLineage"]["fields"]
    assert fields.keys() == {"value"}
    assert [(i["namespace"], i["name"], i["field"]) for i in fields["value"]["inputFields"]] == [
        ("s3://bucket", "events", "money")
    ]
    (values,) = of_job(events, "kpi.kpi_values")["outputs"]
    found = {
        i["name"].split(".", 1)[1]: i["field"] for i in values["facets"]["columnLineage"]["fields"]["value"]["inputFields"]
    }
    assert found == {"raw.events": "value", "config.rates": "rate"}


def test_a_failed_run_tells_what_failed_without_rows_and_nothing_of_what_did_not_begin(ran: Ran) -> None:
    events = ran.emit(fails=True)
    assert_valid(events)
    failed = {e["job"]["name"]: e["run"]["facets"]["errorMessage"]["message"] for e in events if e["eventType"] == "FAIL"}
    assert failed == dict.fromkeys(["everything", "kpi.kpi_values"], "ValueError: value is out of range")
    assert "anna@example.com" not in json.dumps(events)
    assert not [e for e in events if e["job"]["name"] == "reports.page"]
    assert {e["eventType"] for e in events if e["job"]["name"] == "raw.events"} == {"START", "COMPLETE"}


def test_a_run_that_was_cancelled_is_told_as_aborted(ran: Ran) -> None:
    run_id = ran.run(fails=True)
    run = ran.instance.get_run_by_id(run_id)
    assert run is not None
    ran.instance.report_run_canceled(run)
    facts = read_run(ran.instance, run_id, ran.graph)
    assert facts is not None
    assert facts.outcome == "ABORT"


def test_a_run_that_goes_on_or_is_unknown_is_not_told(ran: Ran, tmp_path: Path) -> None:
    created = ran.instance.create_run_for_job(ran.job)
    for run_id in (created.run_id, str(uuid.uuid4())):
        assert ran.tell(run_id, str(tmp_path / "events")) is None
    assert not (tmp_path / "events").exists()


def test_what_the_gates_found_are_assertions_about_what_they_read(ran: Ran, planned: psycopg.Connection) -> None:
    run_id, gate_run_id = ran.run(), uuid.uuid4()
    planned.execute(
        """
        insert into ops.gate_runs (gate_run_id, gate, run_id, as_of, outcome, checks, failed, started_at)
        values (%s, 'raw', %s, now(), 'blocked', 3, 2, now())
        """,
        (gate_run_id, run_id),
    )
    for name, severity, passed, accepted, details in (
        (
            "amount_is_positive",
            "blocking",
            False,
            False,
            {"expected": {"column": "value"}, "description": "No amount is negative."},
        ),
        ("country_is_known", "warning", False, False, {"examples": ["anna@example.com"]}),
        ("days_are_whole", "blocking", False, True, {}),
    ):
        planned.execute(
            """
            insert into ops.quality_results (gate, gate_run_id, relation, check_name, severity, passed, accepted, details, examples)
            values ('raw', %s, 'raw.events', %s, %s, %s, %s, %s, '["anna@example.com"]')
            """,
            (gate_run_id, name, severity, passed, accepted, json.dumps(details)),
        )
    target = ran.settings.home / "events.ndjson"
    assert ran.tell(run_id, str(target)) is None
    events = [json.loads(line) for line in target.read_text().splitlines()]
    assert_valid(events)
    (checked,) = of_job(events, "quality.raw_gate")["inputs"]
    found = {a["assertion"]: a for a in checked["inputFacets"]["dataQualityAssertions"]["assertions"]}
    assert {name: (a["success"], a["severity"]) for name, a in found.items()} == {
        "amount_is_positive": (False, "error"), "country_is_known": (False, "warn"), "days_are_whole": (True, "error"),
    }  # fmt: skip
    assert (found["amount_is_positive"]["column"], found["amount_is_positive"]["description"]) == (
        "value",
        "No amount is negative.",
    )
    assert "anna@example.com" not in json.dumps(events)


class Catalogue(ThreadingHTTPServer):
    """A real HTTP server that keeps what it is sent, and answers as told."""

    def __init__(self, port: int = 0) -> None:
        self.received: list[Event] = []
        self.tokens: set[str | None] = set()
        self.paths: set[str] = set()
        self.answer: Callable[[Event], int] = lambda _: 201
        catalogue = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = catalogue.answer(event)
                catalogue.tokens.add(self.headers.get("Authorization"))
                catalogue.paths.add(self.path)
                if status == 201:
                    catalogue.received.append(event)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


@pytest.fixture
def catalogue() -> Iterator[Catalogue]:
    catalogue = Catalogue()
    yield catalogue
    catalogue.stop()


def test_an_endpoint_gets_the_events_with_the_token_and_only_once(ran: Ran, catalogue: Catalogue) -> None:
    run_id = ran.run()
    assert ran.tell(run_id, catalogue.url, TOKEN) is None
    assert_valid(catalogue.received)
    assert (catalogue.tokens, catalogue.paths) == ({f"Bearer {TOKEN}"}, {"/api/v1/lineage"})
    count = len(catalogue.received)
    assert ran.tell(run_id, catalogue.url) is None
    assert len(catalogue.received) == count == 14
    assert ran.tell(ran.run(), f"{catalogue.url}/custom/path?x=1") is None
    assert catalogue.paths == {"/api/v1/lineage", "/custom/path?x=1"}
    assert catalogue.tokens == {f"Bearer {TOKEN}", None}


def test_what_a_dead_endpoint_does_not_take_goes_with_the_next_run_in_order(ran: Ran) -> None:
    port = free_port()
    url, first = f"http://127.0.0.1:{port}", ran.run()
    line = ran.tell(first, url, TOKEN)
    assert line is not None
    assert url in line
    assert "14 wait in" in line
    assert "\n" not in line
    kept = ran.settings.home / "openlineage"
    assert TOKEN not in "".join(path.read_text() for path in kept.iterdir())
    assert ran.tell(first, url) == line
    catalogue = Catalogue(port)
    try:
        second = ran.run()
        assert ran.tell(second, url, TOKEN) is None
        roots = [e["run"]["runId"] for e in catalogue.received if e["job"]["name"] == "everything"]
        assert roots == [first, first, second, second]
        assert_valid(catalogue.received)
    finally:
        catalogue.stop()
    assert list(kept.glob("*.ndjson")) == []


@pytest.mark.parametrize(
    ("status", "kept"), [(503, True), (500, True), (401, True), (404, True), (429, True), (400, False), (422, False)]
)
def test_an_answer_about_the_endpoint_keeps_the_event_and_one_about_the_event_puts_it_aside(
    ran: Ran, catalogue: Catalogue, status: int, kept: bool
) -> None:
    catalogue.answer = lambda event: status if event["job"]["name"] == "raw.events" else 201
    line = ran.tell(ran.run(), catalogue.url, TOKEN)
    assert line is not None
    assert f"it answers {status}" in line
    assert TOKEN not in line
    folder = ran.settings.home / "openlineage"
    if kept:
        assert "wait in" in line
        catalogue.answer = lambda _: 201
        assert ran.tell(ran.run(), catalogue.url) is None
        assert len(catalogue.received) == 28
    else:
        aside = [json.loads(text) for text in (folder / "refused.ndjson").read_text().splitlines()]
        assert [e["job"]["name"] for e in aside] == ["raw.events", "raw.events"]
        assert len(catalogue.received) == 12
    assert list(folder.glob("0*.ndjson")) == []


def test_an_endpoint_that_hangs_holds_a_run_up_for_seconds_only(ran: Ran, catalogue: Catalogue) -> None:
    catalogue.answer = lambda _: time.sleep(30) or 201  # type: ignore[func-returns-value]
    began = time.monotonic()
    line = ran.tell(ran.run(), catalogue.url)
    assert line is not None
    assert "no answer in time" in line
    assert time.monotonic() - began < 25


def test_a_file_that_can_not_be_written_keeps_the_events_too(ran: Ran, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    line = ran.tell(ran.run(), str(blocked / "events.ndjson"))
    assert line is not None
    assert "14 wait in" in line
    target = tmp_path / "a folder" / "events.ndjson"
    assert ran.tell(ran.run(), target.as_uri()) is None
    assert len(target.read_text().splitlines()) == 28


def test_a_fault_of_our_own_fails_no_run_and_is_said(ran: Ran, tmp_path: Path) -> None:
    run_id = ran.run()
    gone = Warehouse("postgresql://nobody@127.0.0.1:1/nothing", is_embedded=False)
    settings = ran.settings.model_copy(update={"openlineage": str(tmp_path / "events")})
    line = emit_run(ran.instance, run_id, ran.graph, settings, gone)
    assert line is not None
    assert "could not be made" in line
    assert ran.tell(run_id, str(tmp_path / "events")) is None
    assert (tmp_path / "events").exists()
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    homeless = Settings(home=blocked, openlineage=str(tmp_path / "events"))
    line = emit_run(ran.instance, ran.run(), ran.graph, homeless, ran.warehouse)
    assert line is not None
    assert "\n" not in line


def test_events_that_were_sent_before_a_kill_are_not_sent_in_another_order(tmp_path: Path) -> None:
    keep(tmp_path, "a", ["1", "2", "3"])
    keep(tmp_path, "b", ["4"])
    sent: list[str] = []

    def send(event: str) -> None:
        if event == "3" and sent.count("3") == 0 and len(sent) == 2:
            sent.append("!")
            raise Unreachable("not now")
        sent.append(event)

    assert deliver(tmp_path, send) == Delivery(2, 2, 0, "not now")
    assert deliver(tmp_path, send) == Delivery(2, 0, 0, "")
    assert sent == ["1", "2", "!", "3", "4"]


def test_two_processes_deliver_each_event_once(tmp_path: Path) -> None:
    keep(tmp_path, "a", [str(n) for n in range(200)])
    sent: list[str] = []

    def send(event: str) -> None:
        time.sleep(0.001)
        sent.append(event)

    both = [threading.Thread(target=deliver, args=(tmp_path, send)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sent == [str(n) for n in range(200)]


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("ftp://host/x", "neither a file nor a web address"),
        ("http://", "not a web address"),
        ("https://user:hunter2@host", "ANALYTICS_OPENLINEAGE_TOKEN"),
    ],
)
def test_a_target_that_can_not_be_used_is_named_without_its_secret(
    monkeypatch: pytest.MonkeyPatch, value: str, fault: str
) -> None:
    monkeypatch.setenv("ANALYTICS_OPENLINEAGE", value)
    with pytest.raises(UsageError, match=fault) as error:
        load_settings()
    assert "hunter2" not in str(error.value)


def test_sensors_are_there_where_a_target_is_set(tmp_path: Path) -> None:
    assert lineage_sensors(Settings(home=tmp_path)) == []
    found = lineage_sensors(Settings(home=tmp_path, openlineage="/tmp/x"))
    assert [s.name for s in found] == ["openlineage_success", "openlineage_failure", "openlineage_canceled"]
    assert {s.default_status for s in found} == {dg.DefaultSensorStatus.RUNNING}


def test_a_sensor_tells_of_a_run_of_the_daemon(ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "events.ndjson"
    monkeypatch.setenv("ANALYTICS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ANALYTICS_DATABASE_URL", ran.warehouse.url)
    monkeypatch.setenv("ANALYTICS_OPENLINEAGE", str(target))
    run = ran.instance.get_run_by_id(ran.run())
    assert run is not None
    event = next(
        entry.dagster_event
        for entry in ran.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_SUCCESS)
        if entry.dagster_event
    )
    sensor, *_ = lineage_sensors(load_settings())
    repository = dg.Definitions([ingest, raw, gate, kpi, page], sensors=[sensor]).get_repository_def()
    sensor(dg.build_run_status_sensor_context(sensor.name, event, ran.instance, run, repository_def=repository))
    events = [json.loads(line) for line in target.read_text().splitlines()]
    assert_valid(events)
    assert len(events) == 14


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("file:///a%20b/c", ("file", "/a b/c")),
        ("s3://bucket/a/b", ("s3://bucket", "a/b")),
        ("kafka://host:9092/topic", ("kafka://host:9092", "topic")),
        ("redis://host:6379/stream", ("redis://host:6379", "stream")),
        ("postgres://host:5432/db/orders", ("postgres://host:5432", "db.public.orders")),
        ("postgres://host:5432/db/shop.orders", ("postgres://host:5432", "db.shop.orders")),
        ("nothing", None),
    ],
)
def test_places_have_the_names_that_openlineage_gives_them(uri: str, expected: tuple[str, str] | None) -> None:
    assert of_uri(uri) == (Dataset(*expected) if expected else None)


def test_a_warehouse_is_named_by_its_address_and_a_socket_by_this_machine() -> None:
    assert Datasets("db.example.com:5433/shop", {}).table("kpi", "kpi_values") == Dataset(
        "postgres://db.example.com:5433", "shop.kpi.kpi_values"
    )
    assert Datasets("/tmp/x:5432/analytics", {}).table("raw", "events") == Dataset(
        "postgres://localhost:5432", "analytics.raw.events"
    )
    assert Datasets("h:1/d", {}).of(("quality", "raw_gate")) is None
