select * from marts.fct_events as e
where e.day >= {first} and e.day <= {last} and e.occurred_at <= %(as_of)s and ({wanted})
