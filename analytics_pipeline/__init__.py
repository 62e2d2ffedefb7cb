"""A batch analytics warehouse: raw product events in; KPIs, forecasts, anomalies and reports out."""
