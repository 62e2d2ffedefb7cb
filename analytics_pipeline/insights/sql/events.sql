select * from (
    select
        f.event_id, f.occurred_at, f.day, f.event_name, f.person_key, f.session_key, f.is_activity, f.is_page, f.amount,
        r.source, r.user_id, r.anonymous_id, r.session_id, r.entity_type, r.entity_id, r.country, r.region, r.city,
        r.device_type, r.platform, r.app_version, r.value, r.currency, r.properties
    from marts.fct_events as f
    inner join raw.events as r on f.event_id = r.event_id and f.occurred_at = r.occurred_at
    where f.day >= {first} and f.day <= {last} and f.occurred_at <= %(as_of)s
) as e
where ({wanted})
