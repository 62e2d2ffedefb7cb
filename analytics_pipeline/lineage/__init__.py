"""OpenLineage: what a run read and made, told to a data catalogue. Column lineage is found in `modelling` and `ingest`."""
