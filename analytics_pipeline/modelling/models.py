"""Which parts of the tracking plan each model rests on: what a change of the plan builds again in full.

A model that is not here says what a run touches, and is made anew each time. The parts are those of config.parts.
"""

_SESSIONS = ("session_conversion", "dimensions")
_PERIODS = (*_SESSIONS, "measures")

# Where the events themselves are built again, nothing says what a run touches: so is everything else.
EVERYTHING = {"events", "sessions"}

RESTS_ON: dict[str, tuple[str, ...]] = {
    "int_links": (),
    "int_identity": (),
    "int_events": (),
    "int_dimension_days": ("dimensions",),
    "int_session_values": _SESSIONS,
    "int_person_days": ("dimensions", "revenue"),
    "int_person_measures": (*_SESSIONS, "measures"),
    "int_measures": _PERIODS,
    "int_items": _PERIODS,
    "int_period_measures": _PERIODS,
    "int_funnel_events": ("dimensions", "funnels"),
    "int_retention_days": ("retentions",),
    "int_retention_periods": ("retentions",),
    "int_retention_counts": ("dimensions", "retentions"),
    "int_conversion_events": ("dimensions", "conversions"),
    "dim_identities": (),
    "dim_persons": ("dimensions", "revenue"),
    "fct_events": (),
    "fct_sessions": _SESSIONS,
    "fct_person_days": _SESSIONS,
    "fct_active_users": _SESSIONS,
    "fct_lifecycle": (),
    "fct_stickiness": (),
    "fct_geography": ("revenue", "dimensions"),
    "fct_excluded_traffic": (),
    "fct_funnel_attempts": ("dimensions", "funnels"),
    "fct_funnel": (*_SESSIONS, "funnels"),
    "fct_transitions": (*_SESSIONS, "flows"),
    "fct_conversions": ("dimensions", "conversions"),
    "fct_revenue": ("revenue", "dimensions"),
    "fct_unconverted_revenue": ("revenue", "dimensions"),
    "kpi_values": (*_PERIODS, "kpis"),
    "kpi_status": (*_PERIODS, "kpis", "thresholds"),
}


def rebuilt_models(changed: set[str]) -> list[str]:
    """Models that rest on a changed part, by name."""
    return [model for model, parts in RESTS_ON.items() if changed & (EVERYTHING | set(parts))]
