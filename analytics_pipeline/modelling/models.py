"""Which parts of the tracking plan each model rests on: what a change of the plan builds again in full.

A model that is not here says what a run touches, and is made anew each time. The parts are those of config.parts.
"""

_DIMENSIONS = ("events", "dimensions")
_SESSIONS = ("sessions", "session_conversion", "dimensions")
_PERIODS = (*_SESSIONS, "measures")

RESTS_ON: dict[str, tuple[str, ...]] = {
    "int_links": ("events",),
    "int_identity": ("events",),
    "int_events": ("sessions",),
    "int_dimension_days": _DIMENSIONS,
    "int_session_values": _SESSIONS,
    "int_person_days": (*_DIMENSIONS, "revenue"),
    "int_person_measures": (*_SESSIONS, "measures"),
    "int_measures": _PERIODS,
    "int_items": _PERIODS,
    "int_period_measures": _PERIODS,
    "int_funnel_events": (*_DIMENSIONS, "funnels"),
    "int_retention_days": ("events", "retentions"),
    "int_retention_periods": ("events", "retentions"),
    "int_conversion_events": (*_DIMENSIONS, "conversions"),
    "dim_identities": ("events",),
    "dim_persons": (*_DIMENSIONS, "revenue"),
    "fct_events": ("sessions",),
    "fct_sessions": _SESSIONS,
    "fct_person_days": _SESSIONS,
    "fct_active_users": _SESSIONS,
    "fct_lifecycle": ("events",),
    "fct_stickiness": ("events",),
    "fct_geography": ("sessions", "revenue", "dimensions"),
    "fct_excluded_traffic": ("events",),
    "fct_funnel_attempts": (*_DIMENSIONS, "funnels"),
    "fct_funnel": (*_SESSIONS, "funnels"),
    "fct_transitions": (*_SESSIONS, "flows"),
    "fct_conversions": (*_DIMENSIONS, "conversions"),
    "fct_revenue": ("events", "revenue", "dimensions"),
    "fct_unconverted_revenue": ("events", "revenue", "dimensions"),
    "kpi_values": (*_PERIODS, "kpis"),
    "kpi_status": (*_PERIODS, "kpis", "thresholds"),
}


def rebuilt_models(changed: set[str]) -> list[str]:
    """Models that rest on a changed part, by name."""
    return [model for model, parts in RESTS_ON.items() if changed & set(parts)]
