"""Forty defects, each in three sizes, in a clean day of a sample product: what the gates make of them, how fast, and which numbers a
reader would have seen. Writes docs/quality/defects.md.

Run: python benchmarks/defects.py [--names NAME ...] [--everywhere] [--more] [--day INDEX] [--no-numbers] [--write]

What the raw gate lets through is built, checked by the build gate and published, and every daily and hourly value of a KPI is compared
with those of the clean day. Takes about a quarter of an hour on two cores; without the numbers five minutes. Everything is drawn from
fixed seeds. --everywhere: on each product that a defect fits; --more: others than the forty.
"""

import argparse
import statistics
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from analytics_pipeline.samples.generators import generator_of
from analytics_pipeline.warehouse import embedded
from analytics_pipeline.warehouse.migrate import migrate
from tests.quality.clean import Product
from tests.quality.damage import SIZES, Defect, clean_day
from tests.quality.defects import DEFECTS
from tests.quality.effects import INDEX, touched
from tests.quality.more_defects import MORE_DEFECTS
from tests.quality.world import Verdict, World, Worlds, differing

PAGE = Path(__file__).parents[1] / "docs" / "quality" / "defects.md"
LEAST_BLOCKED = 38


@dataclass(frozen=True)
class Trial:
    """One defect of one size in one product.

    Attributes:
        verdict: of the raw gate.
        later: checks of the build gate that failed, where it was reached; None where it was not.
        is_published: readers see the day.
        wrong: values that they see and that are not those of the clean day.
        compared: values that a clean day has.
        worst: the headline KPI whose undivided daily value is farthest off, and by which share of it.
        hit: events missing, invented, changed.
    """

    defect: Defect
    product: str
    size: str
    verdict: Verdict
    later: list[str] | None
    is_published: bool
    wrong: int
    compared: int
    worst: tuple[str, float] | None
    hit: tuple[int, int, int]

    @property
    def outcome(self) -> str:
        if self.verdict.outcome == "blocked":
            return "blocked"
        if not self.is_published and self.later is not None:
            return "blocked at the build gate"
        if self.verdict.outcome == "flagged" or self.later:
            return "published, flagged"
        return "published" if self.wrong or self.later is None else "published, no number differs"

    @property
    def is_wrong_and_good(self) -> bool:
        """The thing that must not be."""
        return self.outcome == "published" and self.wrong > 0

    @property
    def is_looked_at(self) -> bool:
        """Whether its numbers were compared, where there are any."""
        return self.verdict.outcome == "blocked" or self.later is not None

    @property
    def checks(self) -> list[str]:
        return [*(name.removeprefix("raw.events.") for name in self.verdict.names), *(self.later or [])]


class Bench:
    """Where trials are made."""

    def __init__(self, worlds: Worlds, index: int, *, with_numbers: bool) -> None:
        self.worlds, self.index, self.with_numbers = worlds, index, with_numbers

    def template(self, product: Product) -> str:
        published = self.worlds.published(product, self.index).template if self.with_numbers else ""
        return published or self.worlds.template(product, self.index)

    def trial(self, defect: Defect, name: str, size: str) -> Trial:
        product = Product(name)
        day = clean_day(product, self.index)
        files = defect.deliver(day, size)
        with self.worlds.new(product, self.template(product)) as world:
            verdict = world.day(self.index, files)
            later: list[str] | None = None
            is_published, wrong, compared, worst = False, 0, 0, None
            if verdict.outcome != "blocked" and self.with_numbers:
                later, is_published = self._published(world)
                if is_published:
                    wrong, compared, worst = self._compared(world)
        return Trial(defect, name, size, verdict, later, is_published, wrong, compared, worst, touched(day, files))

    def _published(self, world: World) -> tuple[list[str], bool]:
        project = self.worlds.published(world.product, self.index).project
        return world.publish_behind_gate(project, world.product.as_of(self.index))

    def _compared(self, world: World) -> tuple[int, int, tuple[str, float] | None]:
        clean, found = self.worlds.published(world.product, self.index).clean, world.numbers()
        keys = differing(clean, found)
        errors = []
        headline = world.headline()
        for key in (k for k in keys if k[0] in headline and k[1] == "day" and k[3] == "all"):
            true, seen = clean.get(key), found.get(key)
            if true and seen is not None:
                errors.append((key[0], float(seen / true - 1)))
        zone, day = generator_of(world.product.name).ZONE, world.product.day(self.index)
        of_day = sum(k[1] in ("day", "hour") and k[2].astimezone(zone).date() == day for k in clean)
        return len(keys), of_day, max(errors, key=lambda e: abs(e[1]), default=None)


def trials(bench: Bench, defects: list[Defect], sizes: list[str], *, everywhere: bool) -> Iterator[Trial]:
    for defect in defects:
        for name in defect.products if everywhere else defect.products[:1]:
            for size in sizes:
                trial = bench.trial(defect, name, size)
                print(line(trial), flush=True)
                yield trial


def line(trial: Trial) -> str:
    label = dict(zip(SIZES, trial.defect.sizes, strict=True))[trial.size][0]
    wrong = (
        f" {trial.wrong} of {trial.compared} numbers wrong {f'({trial.worst[0]} {trial.worst[1]:+.1%})' if trial.worst else ''}"
        if trial.is_published
        else ""
    )
    head = f"{trial.defect.name:<21} {trial.product:<12} {trial.size:<6} {label:<30}"
    return f"{head} {trial.outcome:<12} {trial.verdict.milliseconds:5.0f} ms  {', '.join(trial.checks)}{wrong}"


def summary(found: list[Trial]) -> list[str]:
    """Lines for people and for the page."""
    rows = []
    for size in SIZES:
        of_size = [t for t in found if t.size == size]
        count = Counter(t.outcome for t in of_size)
        bad = [t.defect.name for t in of_size if t.is_wrong_and_good]
        parts = ", ".join(f"{number} {outcome}" for outcome, number in count.most_common())
        rows.append(
            f"{size}: {parts}; {len(bad)} with a wrong number that is marked good{': ' + ', '.join(bad) if bad else ''}"
        )
    return rows


def page(found: list[Trial]) -> str:
    """docs/quality/defects.md."""
    large = [t for t in found if t.size == "large"]
    flagged = [t.defect.name.replace("_", " ") for t in large if not t.outcome.startswith("blocked")]
    blocked = [t for t in large if t.outcome.startswith("blocked")]
    took = [t.verdict.milliseconds for t in found]
    rows = [
        "# What the gates see: forty planted defects",
        "",
        "Each defect is planted in one clean day of a sample product that has a clean history of two months: it changes the file that is"
        " delivered, never what happened. The raw gate judges the delivery on the next morning. What it lets through is built, checked by"
        " the build gate and published, and every daily and hourly value of a KPI is compared with that of the clean day. Each defect"
        " comes in three sizes, so that the table shows what is too small to see.",
        "",
        "The table is written by `python benchmarks/defects.py --write`; the defects are in `tests/quality/defects.py`.",
        "",
        "## Summary",
        "",
        f"- At full size {len(blocked)} of {len(large)} defects block"
        + (f"; published flagged, not blocked: {', '.join(flagged)}." if flagged else "."),
        f"- {sum(t.is_wrong_and_good for t in large)} of {len(large)} publish a wrong number that is marked good.",
        f"- The raw gate takes {statistics.median(took):.0f} ms in the middle and {max(took):.0f} ms at most (the import of Great Expectations apart).",
        *(f"- {row[0].upper()}{row[1:]}." for row in summary(found)),
        "",
        "## Each defect",
        "",
        "*Hit* are the events that are missing (-), that nobody did (+) and that say something else than they should (~). *Wrong numbers*"
        " are the published daily and hourly values of any day that differ from those of a clean world, beside the number that the day has in"
        " all, and the largest relative error of an undivided"
        " daily value of a headline KPI; a dash stands for nothing published: readers keep the last good version.",
        "",
        "| Defect | Product | Size | Hit | Outcome | Checks | ms | Wrong numbers |",
        "|---|---|---|---|---|---|---:|---|",
    ]
    before = None
    for trial in found:
        is_new = before != (trial.defect.name, trial.product)
        name = f"**{trial.defect.name.replace('_', ' ')}**: {trial.defect.description}" if is_new else ""
        before = (trial.defect.name, trial.product)
        label = dict(zip(SIZES, trial.defect.sizes, strict=True))[trial.size][0]
        hit = " ".join(f"{sign}{number}" for sign, number in zip("-+~", trial.hit, strict=True) if number) or "0"
        wrong = "-"
        if trial.is_published:
            worst = f" ({trial.worst[0]} {trial.worst[1]:+.1%})" if trial.worst else ""
            wrong = f"{trial.wrong} of {trial.compared}{worst}"
        checks = ", ".join(f"`{c}`" for c in trial.checks) or "none"
        ms = f"{trial.verdict.milliseconds:.0f}"
        rows.append(
            f"| {name} | {trial.product if is_new else ''} | {trial.size}: {label} | {hit} | {trial.outcome} | {checks} | {ms} | {wrong} |"
        )
    return "\n".join([*rows, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--names", nargs="*", default=[])
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=SIZES)
    parser.add_argument("--everywhere", action="store_true")
    parser.add_argument("--more", action="store_true")
    parser.add_argument("--day", type=int, default=INDEX, help="the day of the history that is hit, counted from its first")
    parser.add_argument("--no-numbers", action="store_true", help="the raw gate alone")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(PAGE.parents[2])}")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    defects = [d for d in (MORE_DEFECTS if arguments.more else DEFECTS) if not arguments.names or d.name in arguments.names]
    with tempfile.TemporaryDirectory(prefix="defects-") as folder, embedded.acquire(Path(folder) / "home"):
        url = embedded.server_url(Path(folder) / "home")
        migrate(url)
        bench = Bench(Worlds(url, Path(folder), with_suites=True), arguments.day, with_numbers=not arguments.no_numbers)
        found = list(trials(bench, defects, arguments.sizes, everywhere=arguments.everywhere))
    print("\n".join(["", *summary(found)]))
    if arguments.write:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(found), encoding="utf-8")
    large = [t for t in found if t.size == "large"]
    if len(large) == len(DEFECTS) and not arguments.more:
        assert not any(t.is_wrong_and_good for t in large), "a wrong number was published as good"
        assert sum(t.outcome.startswith("blocked") for t in large) >= LEAST_BLOCKED


if __name__ == "__main__":
    main()
