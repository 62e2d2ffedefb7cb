"""SEMANTICS in plain Python: slow, obvious, and written apart from the package, to hold the package against."""
