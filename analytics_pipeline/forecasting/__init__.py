"""KPIs into the future, with intervals and an honest error. The series come from kpi.kpi_values."""
