"""Raw events held against the tracking plan, after they were let in. What is refused before is in `events` and `ingest`."""
