"""Holds the profile of a day against those before it. Pure: reads no table; making profiles is in `profiling`."""
