"""One-off analyses over any range, with the plan's keys: what `ask` answers. Reads published tables and raw events only."""
