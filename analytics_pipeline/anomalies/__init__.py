"""Days on which a KPI left its pattern, and which part of the product drove it. The series come from kpi.kpi_values."""
