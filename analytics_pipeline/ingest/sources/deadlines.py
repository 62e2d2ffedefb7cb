"""How old the newest event of a source may be."""

from datetime import timedelta

from analytics_pipeline.events.mapping import load_mapping
from analytics_pipeline.ingest.sources.configuration import load_sources
from analytics_pipeline.settings import Settings


def source_deadlines(settings: Settings) -> dict[str, timedelta]:
    """Deadlines of sources that have one of their own, by the name that their events carry."""
    return {
        source.source or load_mapping(source.mapping).name: timedelta(hours=source.deadline_hours)
        for source in load_sources(settings)
        if source.deadline_hours is not None
    }
