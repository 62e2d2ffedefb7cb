"""OpenLineage events of a run: one job for the run, and one for each asset in it, with its inputs, output and columns."""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.metadata import version

from openlineage.client import event_v2 as ol
from openlineage.client import facet_v2 as facet
from openlineage.client.serde import Serde

from analytics_pipeline.lineage.datasets import Dataset, Datasets
from analytics_pipeline.lineage.facts import AssetRun, Check, Key, RunFacts

_GATES: dict[Key, str] = {("quality", "raw_gate"): "raw", ("quality", "build_gate"): "build"}


def events_of(run: RunFacts, checks: Sequence[Check], datasets: Datasets, namespace: str) -> list[str]:
    """START and COMPLETE, FAIL or ABORT of the run and of each of its assets, as JSON, in the order of their times.

    Args:
        run: that has ended.
        checks: of its gates: each is an assertion about what the gate read.
        datasets: names them.
        namespace: of the jobs: whose they are.
    """
    ol.set_producer(f"urn:analytics-pipeline:{version('analytics-pipeline')}")
    events = [*_of_run(run, namespace)]
    for asset in run.assets:
        events += _of_asset(run, asset, checks, datasets, namespace)
    return [Serde.to_json(event) for event in sorted(events, key=lambda event: event.eventTime)]


def _of_run(run: RunFacts, namespace: str) -> Iterator[ol.RunEvent]:
    engine = facet.processing_engine_run.ProcessingEngineRunFacet(
        version("dagster"), "Dagster", openlineageAdapterVersion=version("analytics-pipeline")
    )
    job = ol.Job(namespace, run.job, {"jobType": _job_type("JOB")})
    facets: dict[str, facet.RunFacet] = {"processing_engine": engine}
    yield _event(ol.RunState.START, run.started, run.run_id, job, facets)
    yield _event(ol.RunState(run.outcome), run.ended, run.run_id, job, {**facets, **_error(run.error, run.outcome)})


def _of_asset(
    run: RunFacts, asset: AssetRun, checks: Sequence[Check], datasets: Datasets, namespace: str
) -> Iterator[ol.RunEvent]:
    facets: dict[str, facet.JobFacet] = {"jobType": _job_type("ASSET")}
    if asset.description:
        facets["documentation"] = facet.documentation_job.DocumentationJobFacet(asset.description)
    job = ol.Job(namespace, ".".join(asset.key), facets)
    parent = facet.parent_run.ParentRunFacet(
        facet.parent_run.Run(run.run_id),
        facet.parent_run.Job(namespace, run.job),
        facet.parent_run.Root(facet.parent_run.RootRun(run.run_id), facet.parent_run.RootJob(namespace, run.job)),
    )
    run_id = str(uuid.uuid5(uuid.UUID(run.run_id), "/".join(asset.key)))
    inputs = _inputs(asset, [c for c in checks if c.gate == _GATES.get(asset.key)], datasets)
    output = datasets.of(asset.key)
    # What is loaded from is not made by loading it.
    is_made = output is not None and asset.key[0] != "ingest"
    if output is not None and not is_made:
        inputs.append(ol.InputDataset(output.namespace, output.name, facets=_dataset_facets(asset, datasets)))
    outputs = [ol.OutputDataset(output.namespace, output.name)] if output is not None and is_made else []
    yield _event(ol.RunState.START, asset.started, run_id, job, {"parent": parent}, outputs=outputs)
    if output is not None and is_made:
        outputs = [ol.OutputDataset(output.namespace, output.name, facets=_dataset_facets(asset, datasets))]
    ended = {"parent": parent, **_error(asset.error, asset.outcome)}
    yield _event(ol.RunState(asset.outcome), asset.ended, run_id, job, ended, inputs, outputs)


def _event(
    state: ol.RunState,
    at: datetime,
    run_id: str,
    job: ol.Job,
    facets: dict[str, facet.RunFacet],
    inputs: list[ol.InputDataset] | None = None,
    outputs: list[ol.OutputDataset] | None = None,
) -> ol.RunEvent:
    return ol.RunEvent(
        eventType=state,
        eventTime=at.isoformat(timespec="microseconds"),
        run=ol.Run(run_id, facets),
        job=job,
        inputs=inputs or [],
        outputs=outputs or [],
    )


def _job_type(name: str) -> facet.job_type_job.JobTypeJobFacet:
    return facet.job_type_job.JobTypeJobFacet(processingType="BATCH", integration="DAGSTER", jobType=name)


def _error(error: str, outcome: str) -> dict[str, facet.RunFacet]:
    return {"errorMessage": facet.error_message_run.ErrorMessageRunFacet(error, "PYTHON")} if outcome == "FAIL" else {}


def _inputs(asset: AssetRun, checks: Sequence[Check], datasets: Datasets) -> list[ol.InputDataset]:
    """What the asset depends on, and what it checked, with assertions."""
    found: dict[Dataset, list[Check]] = {d: [] for key in asset.parents if (d := datasets.of(key)) is not None}
    for check in checks:
        schema, _, table = check.relation.partition(".")
        found.setdefault(datasets.table(schema, table), []).append(check)
    return [
        ol.InputDataset(d.namespace, d.name, inputFacets={"dataQualityAssertions": _assertions(made)} if made else {})
        for d, made in found.items()
    ]


def _assertions(checks: Sequence[Check]) -> facet.data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet:
    module = facet.data_quality_assertions_dataset
    return module.DataQualityAssertionsDatasetFacet(
        [
            module.Assertion(
                check.name,
                check.passed,
                column=check.column,
                severity="error" if check.blocks else "warn",
                name=check.name,
                description=check.description or None,
            )
            for check in checks
        ]
    )


def _dataset_facets(asset: AssetRun, datasets: Datasets) -> dict[str, facet.DatasetFacet]:
    facets: dict[str, facet.DatasetFacet] = {}
    if asset.columns:
        fields = facet.schema_dataset.SchemaDatasetFacetFields
        facets["schema"] = facet.schema_dataset.SchemaDatasetFacet(
            [fields(column.name, column.type, column.description or None) for column in asset.columns]
        )
    lineage = defaultdict(list)
    for column, sources in asset.lineage.items():
        for key, name in sources:
            if (place := datasets.column(key, name)) is not None:
                lineage[column].append(facet.column_lineage_dataset.InputField(place[0].namespace, place[0].name, place[1]))
    if lineage:
        columns = {name: facet.column_lineage_dataset.Fields(inputs) for name, inputs in lineage.items()}
        facets["columnLineage"] = facet.column_lineage_dataset.ColumnLineageDatasetFacet(columns)
    if asset.description:
        facets["documentation"] = facet.documentation_dataset.DocumentationDatasetFacet(asset.description)
    return facets
