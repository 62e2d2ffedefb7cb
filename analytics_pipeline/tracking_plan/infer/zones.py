"""The zone that most of a country has."""

from importlib.resources import files


def zone_of_country(code: str) -> str | None:
    """Of an ISO 3166 code of two letters; None where none is that of most of the country, or there is no such country."""
    if len(code) != 2 or not code.isalpha():
        return None
    lines = (files("tzdata") / "zoneinfo" / "zone1970.tab").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    mine = [row for row in rows if code.upper() in row[0].split(",")]
    main = mine if len(mine) == 1 else [row for row in mine if row[3:] and row[3].startswith("most of")]
    return main[0][2] if len(main) == 1 else None
