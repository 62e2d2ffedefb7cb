"""Which columns a query is made from, by its syntax tree. Whose query it is, and where lineage is shown, is in `lineage`."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from sqlglot import MappingSchema, exp, parse_one
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope

Relation = tuple[str, str]
"""Schema and table."""

_DIALECT = "postgres"
_log = logging.getLogger("sqlglot")


def relations_of(tree: exp.Expression) -> set[Relation]:
    """Tables and views that a query names, with their schemas."""
    return {(table.db, table.name) for table in tree.find_all(exp.Table) if table.db}


def parsed(sql: str) -> exp.Expression:
    """The tree of a query. Database names go: all is in one. Raises SqlglotError."""
    tree = parse_one(sql, dialect=_DIALECT)
    for table in tree.find_all(exp.Table):
        table.set("catalog", None)
    return cast(exp.Expression, tree)


def columns_of(tree: exp.Expression, schema: Mapping[Relation, Sequence[str]]) -> dict[str, set[tuple[Relation, str]]]:
    """For each column of a query the columns of tables that its value is made from; conditions of joins and rows don't count.

    Args:
        tree: from `parsed`; it is changed.
        schema: columns of the relations that the query names.

    Raises:
        SqlglotError: the query can't be followed.
    """
    known = MappingSchema(dialect=_DIALECT)
    for (database, table), names in schema.items():
        known.add_table(exp.table_(table, db=database), dict.fromkeys(names, "text"), dialect=_DIALECT)
    _join_laterals(tree)
    _log.setLevel(logging.ERROR)  # it warns of queries inside of functions, which `_ends` follows
    tree = qualify(tree, schema=known, dialect=_DIALECT, validate_qualify_columns=False, identify=False)
    nodes = lineage(None, tree, known, dialect=_DIALECT, scope=build_scope(tree), copy=False, trim_selects=False)
    return {column: {found for node in root.walk() for found in _ends(node)} for column, root in nodes.items()}


def _ends(node: Node) -> Iterator[tuple[Relation, str]]:
    """Columns of tables at which a path ends; also those of queries inside of a function that makes rows."""
    if isinstance(node.expression, exp.Table) and node.expression.db:
        yield (node.expression.db, node.expression.name), exp.to_column(node.name).name
    if isinstance(node.source, exp.UDTF):
        for query in node.source.find_all(exp.Select):
            tables = {table.alias_or_name: table for table in query.find_all(exp.Table)}
            for column in query.find_all(exp.Column):
                if (table := tables.get(column.table)) is not None and table.db:
                    yield (table.db, table.name), column.name


def _join_laterals(tree: exp.Expression) -> None:
    """Turn lateral queries into plain ones where their columns are those of their own tables: sqlglot follows these only.

    What they compare with the rows beside them are conditions, which don't count.
    """
    for lateral in list(tree.find_all(exp.Lateral)):
        subquery = lateral.this
        if not isinstance(subquery, exp.Subquery) or not isinstance(subquery.this, exp.Query):
            continue
        query = subquery.this
        selects = list(query.find_all(exp.Select)) if isinstance(query, exp.SetOperation) else [cast(exp.Select, query)]
        if not all(isinstance(select, exp.Select) and _stands_alone(select) for select in selects):
            continue
        for part in (query, *selects):
            for clause in ("where", "order", "limit", "offset"):
                part.set(clause, None)
        lateral.replace(exp.Subquery(this=query, alias=lateral.args.get("alias")))


def _stands_alone(select: exp.Select) -> bool:
    source = select.args.get("from_")
    if source is None or not isinstance(source.this, exp.Table):
        return False
    own = {table.alias_or_name for table in select.find_all(exp.Table)}
    return not any(c.table and c.table not in own for e in select.expressions for c in e.find_all(exp.Column))
