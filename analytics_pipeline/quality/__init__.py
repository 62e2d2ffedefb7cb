"""Gates: the suites of expectations/, run by Great Expectations on the database. Who stops what is in the assets."""
