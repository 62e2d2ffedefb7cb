"""Advisory locks that several rooms know. Those of one module stay there."""

LOADING = 726_006
"""Shared by loads; held alone by what takes raw events away: revocation, retention."""
