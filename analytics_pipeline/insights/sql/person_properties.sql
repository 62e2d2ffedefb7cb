select distinct on (person_key) person_key, {value} as value from ({events}) as e
where person_key is not null and {value} is not null
order by person_key, occurred_at, event_id
