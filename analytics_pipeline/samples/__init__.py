"""Sample events with planted stories, one generator per plan. Loading them is `ingest`'s business."""
