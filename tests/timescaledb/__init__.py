"""A community TimescaleDB for the tests. Which tests run on it is in tests/warehouse/conftest.py."""
