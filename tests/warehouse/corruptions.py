"""For each expectation that asks by a query, SQL that makes sound tables fail it. The others are made to fail by their type."""

CORRUPTIONS: dict[str, dict[str, str]] = {
    "raw.events": {
        "event_name_has_letters": "update raw.events set event_name = ' '",
        "event_comes_from_a_loaded_batch": "update raw.ingest_batches set status = 'revoked'",
        "occurred_before_received": "update raw.events set received_at = occurred_at - interval '25 hours'",
        "clocks_are_right": "update raw.events set received_at = occurred_at - interval '10 minutes'",
        "an_amount_of_money_is_never_negative": "update raw.events set value = -1, currency = null where event_name = 'buy'",
        "properties_are_an_object": "update raw.events set properties = '[]'",
        "ids_are_no_placeholders": "update raw.events set user_id = 'undefined'",
        "events_are_loaded_once": """
            insert into raw.events
            select gen_random_uuid(), event_name, occurred_at, received_at, source, user_id, anonymous_id, session_id, entity_type,
                entity_id, country, region, city, device_type, platform, app_version, value, currency, properties, batch_id
            from raw.events
        """,
    },
    "raw.ingest_batches": {
        "few_records_are_refused": "update raw.ingest_batches set rows_read = 200, rows_accepted = 100, rows_quarantined = 100",
        "refused_records_are_rare": "update raw.ingest_batches set rows_read = 200, rows_accepted = 180, rows_quarantined = 20",
        "refused_records_are_kept": "delete from raw.quarantine",
        "no_file_is_broken": "update raw.ingest_batches set status = 'failed', started_at = now()",
        "a_file_holds_records": """
            update raw.ingest_batches set rows_read = 0, rows_accepted = 0, rows_duplicate = 0, rows_quarantined = 0
        """,
        "a_file_is_new": """
            update raw.ingest_batches set rows_read = 200, rows_accepted = 0, rows_duplicate = 200, rows_quarantined = 0
        """,
        "a_load_ends_after_it_began": "update raw.ingest_batches set finished_at = started_at - interval '1 day'",
        "accepted_events_have_a_time": "update raw.ingest_batches set min_occurred_at = null",
    },
    "raw.quarantine": {},
    "build_marts.dim_identities": {
        "linked_before_as_of": "update build_marts.dim_identities set linked_at = linked_at + interval '1 year'",
        "user_is_a_person": "delete from build_marts.dim_persons where person_key like 'u:%'",
        "links_of_raw_count": "delete from build_marts.dim_identities",
    },
    "build_marts.dim_persons": {
        "first_and_last_are_known": "update build_marts.dim_persons set last_seen_at = first_seen_at - interval '1 hour'",
        "seen_before_as_of": "update build_marts.dim_persons set last_seen_at = last_seen_at + interval '1 year'",
        "user_id_is_that_of_the_key": "update build_marts.dim_persons set user_id = 'somebody'",
        "visitors_of_users_are_gone": """
            insert into build_marts.dim_persons (person_key) select 'a:' || anonymous_id from build_marts.dim_identities
        """,
        "events_are_those_of_fct_events": "update build_marts.dim_persons set events = events + 1",
        "active_days_are_those_of_fct_person_days": "update build_marts.dim_persons set active_days = active_days + 1",
    },
    "build_marts.dim_dimension_values": {
        "dimension_is_of_the_plan": "update build_marts.dim_dimension_values set dimension = 'shoe_size' where dimension <> 'all'",
        "value_or_other": "update build_marts.dim_dimension_values set dimension_value = 'something else'",
        "days_are_known": "update build_marts.dim_dimension_values set first_day = last_day + 1",
        "cap_of_the_plan_holds": """
            insert into build_marts.dim_dimension_values
            select 'country', k::text, k::text, current_date, current_date, 0 from generate_series(1, 9) as k
        """,
        "every_dimension_counts_every_event": """
            update build_marts.dim_dimension_values set events = events + 1 where dimension = 'country'
        """,
        "total_is_that_of_fct_events": "update build_marts.dim_dimension_values set last_day = last_day - 1 where dimension = 'all'",
    },
    "build_marts.dim_segments": {
        "every_person_is_there": "delete from build_marts.dim_segments where person_key = 'u:u1'",
        "days_are_not_negative": "update build_marts.dim_segments set days_since_active = -1",
        "repeat_days_follow_the_first": "update build_marts.dim_segments set frequency = 99",
        "segment_is_of_the_plan": "update build_marts.dim_segments set segment = 'giants'",
    },
    "build_marts.fct_events": {
        "kinds_are_known": "update build_marts.fct_events set is_page = null",
        "day_is_local": "update build_marts.fct_events set day = day + 1",
        "happened_before_as_of": "update build_marts.fct_events set occurred_at = occurred_at + interval '1 year'",
        "sessions_hold_activity": "update build_marts.fct_events set session_key = null",
        "person_is_in_dim_persons": "update build_marts.fct_events set person_key = 'u:nobody'",
        "kind_is_that_of_the_plan": "update build_marts.fct_events set is_page = not is_page",
        "every_event_of_raw_counts": "delete from build_marts.fct_events where event_name = 'view'",
        "amounts_are_those_of_raw": "update build_marts.fct_events set amount = amount * 1.1",
    },
    "build_marts.fct_excluded_traffic": {
        "rule_is_of_the_plan": "update build_marts.fct_excluded_traffic set rule = 'whoever'",
        "most_traffic_counts": """
            insert into raw.events (event_id, event_name, occurred_at, received_at, source, properties, batch_id)
            select gen_random_uuid(), 'view', e.occurred_at, e.received_at, e.source, '{"tester": "yes"}', e.batch_id
            from (select * from raw.events order by occurred_at limit 1) as e cross join generate_series(1, 200)
        """,
    },
    "build_marts.fct_sessions": {
        "duration_is_end_less_start": "update build_marts.fct_sessions set duration_seconds = duration_seconds + 1",
        "is_not_longer_than_the_plan_allows": "update build_marts.fct_sessions set ended_at = started_at + interval '25 hours'",
        "day_is_that_of_the_start": "update build_marts.fct_sessions set day = day + 1",
        "bounces_have_one_view": "update build_marts.fct_sessions set is_bounce = not is_bounce",
        "person_is_in_dim_persons": "update build_marts.fct_sessions set person_key = 'u:nobody'",
        "sessions_are_those_of_their_events": "update build_marts.fct_sessions set events = events + 1",
    },
    "build_marts.fct_person_days": {
        "person_is_in_dim_persons": "update build_marts.fct_person_days set person_key = 'u:nobody'",
        "events_are_those_of_fct_events": "update build_marts.fct_person_days set events = events + 1",
        "every_dimension_counts_every_event": "delete from build_marts.fct_person_days where dimension = 'country'",
    },
    "build_marts.fct_active_users": {
        "stickiness_is_dau_over_mau": "update build_marts.fct_active_users set stickiness = stickiness / 2",
        "dau_is_that_of_fct_person_days": "update build_marts.fct_active_users set dau = dau + 1 where dimension = 'country'",
        "dau_is_that_of_raw": "update build_marts.fct_active_users set dau = dau + 1",
        "mau_is_that_of_thirty_days": "update build_marts.fct_active_users set mau = mau + 1",
        "a_day_that_has_not_ended_is_partial": "update build_marts.fct_active_users set is_partial = not is_partial",
    },
    "build_marts.fct_lifecycle": {
        "the_active_are_the_daily_users": "update build_marts.fct_lifecycle set persons = persons + 1 where status = 'new'",
        "who_was_active_returns_or_is_dormant": """
            update build_marts.fct_lifecycle set persons = persons + 1 where status = 'dormant'
        """,
    },
    "build_marts.fct_stickiness": {
        "so_many_or_more_add_up": "update build_marts.fct_stickiness set persons_or_more = persons_or_more + 1 where active_days = 2",
        "all_are_the_active_of_fct_lifecycle": "update build_marts.fct_stickiness set persons_or_more = persons_or_more + 1",
    },
    "build_marts.fct_geography": {
        "persons_and_sessions_have_events": "update build_marts.fct_geography set persons = events + 1",
        "events_are_those_of_fct_events": "update build_marts.fct_geography set events = events + 1",
        "revenue_is_that_of_fct_revenue": "update build_marts.fct_geography set net_revenue = net_revenue + 1",
    },
    "build_marts.fct_funnel_attempts": {
        "depth_is_a_step_of_the_plan": "update build_marts.fct_funnel_attempts set depth = 99",
        "every_step_has_a_time": "update build_marts.fct_funnel_attempts set step_times = step_times || now()",
        "steps_lie_in_the_window": """
            update build_marts.fct_funnel_attempts set step_times[depth] = entered_at + interval '9 days' where funnel = 'ordered'
        """,
        "day_is_that_of_the_entry": "update build_marts.fct_funnel_attempts set entry_day = entry_day + 1",
        "person_is_in_dim_persons": "update build_marts.fct_funnel_attempts set person_key = 'u:nobody'",
    },
    "build_marts.fct_funnel": {
        "steps_never_rise": "update build_marts.fct_funnel set persons = 999 where step = 2",
        "conversion_is_of_those_who_entered": "update build_marts.fct_funnel set conversion = conversion / 2 where step = 1",
        "steps_are_those_of_the_attempts": "update build_marts.fct_funnel set persons = persons + 1 where dimension = 'all'",
        "every_dimension_counts_every_person": "update build_marts.fct_funnel set persons = persons + 1 where dimension = 'country'",
    },
    "build_marts.fct_retention": {
        "retention_is_of_the_plan": "update build_marts.fct_retention set mode = 'weird'",
        "a_cell_is_open_or_known": "update build_marts.fct_retention set persons = null where period = 0",
        "period_0_is_the_cohort": "update build_marts.fct_retention set persons = persons + 1 where period = 0",
        "who_comes_back_later_is_counted_before": """
            update build_marts.fct_retention set persons_on_or_after = persons_on_or_after + 1 where period = 2
        """,
        "cohort_begins_with_its_period": "update build_marts.fct_retention set cohort_start = cohort_start + 1 where grain = 'week'",
        "every_value_counts_in_the_cohort": "delete from build_marts.fct_retention where dimension = 'country'",
    },
    "build_marts.fct_transitions": {
        "no_more_persons_than_transitions": "update build_marts.fct_transitions set persons = transitions + 1",
        "time_goes_on": "update build_marts.fct_transitions set mean_seconds = -1 where mean_seconds is not null",
        "flow_is_of_the_plan": "update build_marts.fct_transitions set flow = 'tide'",
        "what_comes_in_goes_out": "update build_marts.fct_transitions set transitions = transitions + 1 where source = 'path_start'",
        "paths_are_sessions": "update build_marts.fct_transitions set transitions = transitions + 1000",
    },
    "build_marts.fct_conversions": {
        "conversion_is_of_the_plan": "update build_marts.fct_conversions set conversion = 'miracle'",
        "credit_has_its_opportunity": "update build_marts.fct_conversions set is_credited = not is_credited",
        "credit_lies_in_the_window": """
            update build_marts.fct_conversions set opportunity_at = opportunity_at - interval '9 days' where conversion = 'seen'
        """,
        "conversion_is_an_event": "update build_marts.fct_conversions set event_id = gen_random_uuid()",
        "opportunity_is_an_event": "update build_marts.fct_conversions set opportunity_id = gen_random_uuid() where is_credited",
    },
    "build_marts.fct_revenue": {
        "net_is_gross_less_refunded": "update build_marts.fct_revenue set net = net + 1",
        "own_currency_is_not_converted": "update build_marts.fct_revenue set gross = gross * 1.1 where currency = 'EUR'",
        "revenue_is_that_of_raw": "update build_marts.fct_revenue set payments = payments + 1",
        "revenue_is_converted": "update build_marts.fct_revenue set unconverted = 1",
        "a_day_that_has_not_ended_is_partial": "update build_marts.fct_revenue set is_partial = not is_partial",
    },
    "build_marts.fct_unconverted_revenue": {
        "currency_lacks_a_rate": "update build_marts.fct_unconverted_revenue set currency = 'USD'",
        "listed_is_what_fct_revenue_leaves_out": "select",
    },
    "build_kpi.kpi_definitions": {
        "thresholds_are_in_order": "update build_kpi.kpi_definitions set direction = 'up', target = 1, warning = 2, critical = 3",
        "kpis_are_those_of_the_plan": "delete from build_kpi.kpi_definitions where kpi_name = 'net'",
    },
    "build_kpi.kpi_values": {
        "there_are_values": "delete from build_kpi.kpi_values",
        "counted_values_have_a_number": "update build_kpi.kpi_values set numerator = null where kpi_name = 'orders'",
        "a_ratio_is_its_parts": "update build_kpi.kpi_values set value = value + 1 where denominator is not null",
        "kpi_is_of_the_plan": "update build_kpi.kpi_values set dimension = 'shoe_size' where dimension = 'country'",
        "every_day_has_its_total": "delete from build_kpi.kpi_values where grain = 'day' and kpi_name = 'net'",
        "a_period_that_has_not_ended_is_partial": "update build_kpi.kpi_values set is_partial = not is_partial",
        "counts_are_those_of_raw": "update build_kpi.kpi_values set value = value + 1 where kpi_name = 'orders'",
        "days_add_up": "update build_kpi.kpi_values set value = value + 1 where kpi_name = 'orders' and grain = 'hour'",
    },
    "build_kpi.kpi_status": {
        "value_is_the_total": "update build_kpi.kpi_status set value = coalesce(value, 0) + 1",
        "target_is_that_of_the_plan": "update build_kpi.kpi_status set target = 77",
        "every_total_has_a_status": "delete from build_kpi.kpi_status where kpi_name = 'net'",
    },
}

# What is empty in a sound build needs a row first.
BEFORE = {
    "build_marts.fct_unconverted_revenue": """
        insert into build_marts.fct_unconverted_revenue (event_id, occurred_at, day, event_name, value, currency)
        select event_id, occurred_at, day, event_name, 1, 'XXX' from build_marts.fct_events limit 1
    """,
}
