"""The landing folder as an asset: written by the sample generator in a demo home, else by somebody else."""

from collections.abc import Sequence

import dagster as dg

from analytics_pipeline.samples import files
from analytics_pipeline.samples.marker import read_marker
from analytics_pipeline.settings import Settings, load_settings

LANDING_KEY = dg.AssetKey(["landing", "files"])


@dg.asset(
    key=LANDING_KEY,
    group_name="sources",
    kinds={"file"},
    owners=["team:analytics"],
    code_version="1",
    description="Event files in the landing folder: sample events of the plan, one file a day, NDJSON, CSV and Parquet.",
)
def sample_files() -> dg.MaterializeResult:  # type: ignore[type-arg]
    settings = load_settings()
    marker = read_marker(settings)
    written = files.write_samples(settings.landing_dir, marker.plan, marker.first_day, marker.last_day) if marker else []
    total = len(list(settings.landing_dir.glob("events-*")))
    return dg.MaterializeResult(
        metadata={
            "summary": f"{len(written)} new files, {total} in all",
            "folder": dg.MetadataValue.path(str(settings.landing_dir)),
            "dagster/uri": settings.landing_dir.as_uri(),
        }
    )


def landing_assets(settings: Settings) -> Sequence[dg.AssetsDefinition | dg.AssetSpec]:
    """The generator where this home is a demo's; else the folder as something that others fill."""
    if settings.sample_marker.exists():
        return [sample_files]
    spec = dg.AssetSpec(
        LANDING_KEY,
        group_name="sources",
        kinds={"file"},
        description="Event files in the landing folder.",
        owners=["team:analytics"],
    )
    return [spec]
