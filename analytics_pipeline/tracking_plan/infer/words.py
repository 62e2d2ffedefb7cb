"""Names taken apart into words, and what words say about an event or a property. Which words those are is in words.yml."""

import re
from itertools import pairwise
from pathlib import Path

import yaml

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_LISTS: dict[str, str] = yaml.safe_load(Path(__file__).with_name("words.yml").read_text(encoding="utf-8"))
_WORDS = {name: frozenset(text.split()) for name, text in _LISTS.items() if not name.endswith("_pairs")}
_PAIRS = {
    name.removesuffix("_pairs"): frozenset(tuple(pair.split()) for pair in text.split(","))
    for name, text in _LISTS.items()
    if name.endswith("_pairs")
}
_RESERVED = {"all", "day", "dimension", "dimension_value"}


def words_of(name: str) -> tuple[str, ...]:
    """`Order Completed`, `order_completed`, `order.completed` and `orderCompleted` are order and completed."""
    return tuple(word.lower() for word in _WORD.findall(name))


def says(name: str, meaning: str) -> bool:
    """Whether a word or pair of words of that list is in the name."""
    words = words_of(name)
    return not _WORDS[meaning].isdisjoint(words) or not _PAIRS.get(meaning, frozenset()).isdisjoint(pairwise(words))


def ends_with(name: str, meaning: str) -> bool:
    """Whether the last word of the name is in that list."""
    return bool(words_of(name)) and words_of(name)[-1] in _WORDS[meaning]


def title_of(name: str) -> str:
    """For people: `Order completed`."""
    return " ".join(words_of(name)).capitalize() or name


def slug_of(name: str) -> str:
    """As plans name things: small letters, digits and _, a letter first, and no name that their tables use."""
    slug = "_".join(words_of(name))[:40].strip("_")
    slug = slug if slug[:1].isalpha() else f"n_{slug}".strip("_")
    return f"{slug}_value" if slug in _RESERVED else slug
