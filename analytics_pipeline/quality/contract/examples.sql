-- A value of properties at moments when they were at fault; several where several events share the moment.
select distinct asked.place, e.properties -> asked.property as value
from unnest(%(places)s::int[], %(event_names)s::text[], %(properties)s::text[], %(moments)s::timestamptz[])
    as asked (place, event_name, property, moment)
inner join raw.events as e on asked.event_name = e.event_name and asked.moment = e.occurred_at
where e.occurred_at between %(first)s and %(last)s and e.properties ? asked.property
