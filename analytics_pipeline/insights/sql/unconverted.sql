select event_id, occurred_at, value, currency from marts.fct_unconverted_revenue
where day between %(first_day)s and %(last_day)s and occurred_at <= %(as_of)s
order by occurred_at, event_id
