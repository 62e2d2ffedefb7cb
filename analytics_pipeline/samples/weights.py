"""Choosing by weight, as all samples do."""

import random


def pick(rng: random.Random, weights: dict[str, int]) -> str:
    """A key, by weight."""
    return rng.choices(list(weights), list(weights.values()))[0]
