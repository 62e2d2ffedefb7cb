"""Which contracts of the published plan are enforced while events are loaded. How is the business of `events`."""

import psycopg

from analytics_pipeline.events.contracts import Contracts, contracts_of


def enforced_contracts(connection: psycopg.Connection) -> Contracts:
    """Those of the published plan; none before the first."""
    plan = connection.execute("select unknown_events from config.plan").fetchone()
    events = connection.execute("select event_name, contract from config.events").fetchall()
    rules = connection.execute(
        """
        select p.event_name, p.property, p.type, p.is_required, p.is_personal, p.possible_values
        from config.properties as p inner join config.events as e on p.event_name = e.event_name
        where e.contract = 'strict'
        """
    ).fetchall()
    return contracts_of(events, rules, plan[0] if plan else "accept")
