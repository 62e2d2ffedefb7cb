"""What an event is: its columns, its validation, file formats, mappings from other trackers. Loading is `ingest`'s."""
