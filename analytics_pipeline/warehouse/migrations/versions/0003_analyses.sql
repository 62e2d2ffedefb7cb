-- config: a plan is published as a whole, so its tables are made anew; the next publication fills them -----------------

delete from config.plan;
alter table config.plan
    add column revenue_sql text not null default 'false',
    add column refund_sql text not null default 'false',
    add column engagement jsonb not null default '{}',
    add column churn_after interval not null default '30 days';

drop table config.events, config.measures, config.kpis, config.funnel_steps, config.funnels, config.retentions;

create table config.parts (
    part text primary key,
    part_hash text not null
);
create table config.events (
    event_name text primary key,
    description text not null,
    is_activity boolean not null,
    is_page boolean not null,
    contract text not null check (contract in ('lenient', 'strict')),
    keep interval,
    sampled numeric
);
create table config.properties (
    event_name text not null references config.events on delete cascade,
    property text not null,
    type text not null,
    is_required boolean not null,
    is_personal boolean not null,
    possible_values text[],
    description text not null,
    primary key (event_name, property)
);
create table config.rates (
    currency text not null,
    valid_from date not null,
    rate numeric not null check (rate > 0),
    primary key (currency, valid_from)
);
create table config.excluded_traffic (
    rule text primary key,
    position integer not null,
    condition_sql text not null
);
create table config.calendar (
    kind text not null check (kind in ('holiday', 'campaign', 'release')),
    title text not null,
    first_day date not null,
    last_day date not null
);
create table config.measures (
    measure text primary key,
    relation text not null check (relation in ('events', 'sessions', 'persons', 'items', 'active_users')),
    expression_sql text,
    condition_sql text not null,
    item_sql text,
    amount_sql text,
    percentile numeric,
    is_per_item boolean not null,
    is_hourly boolean not null,
    dimensions text[] not null,
    definition_hash text not null
);
create table config.kpis (
    kpi_name text primary key,
    position integer not null,
    title text not null,
    description text not null,
    formula text not null,
    grains text[] not null,
    numerator_sql text not null,
    denominator_sql text,
    measures text[] not null,
    unit text not null,
    direction text not null check (direction in ('up', 'down')),
    owner text not null,
    dimensions text[] not null,
    target numeric,
    warning numeric,
    critical numeric,
    headline boolean not null,
    forecast boolean not null,
    watch boolean not null,
    definition_hash text not null
);
create table config.funnels (
    funnel text primary key,
    title text not null,
    step_order text not null check (step_order in ('ordered', 'strict', 'unordered')),
    conversion_window interval,
    breakdown_value text not null check (breakdown_value in ('first', 'last', 'step')),
    breakdown_step integer,
    definition_hash text not null
);
create table config.funnel_steps (
    funnel text not null references config.funnels on delete cascade,
    step integer not null,
    title text not null,
    condition_sql text not null,
    primary key (funnel, step)
);
create table config.funnel_exclusions (
    funnel text not null references config.funnels on delete cascade,
    position integer not null,
    from_step integer not null,
    to_step integer not null,
    condition_sql text not null,
    primary key (funnel, position)
);
create table config.retentions (
    retention text primary key,
    title text not null,
    mode text not null check (mode in ('recurring', 'first_time')),
    grain text not null check (grain in ('day', 'week', 'month')),
    periods integer not null,
    is_rolling boolean not null,
    start_sql text not null,
    return_sql text not null,
    dimensions text[] not null,
    definition_hash text not null
);
create table config.flows (
    flow text primary key,
    title text not null,
    sequence_by text not null check (sequence_by in ('session', 'person')),
    node_sql text not null,
    condition_sql text not null,
    definition_hash text not null
);
create table config.conversions (
    conversion text primary key,
    title text not null,
    opportunity_sql text not null,
    conversion_sql text not null,
    conversion_window interval,
    match_sql text,
    definition_hash text not null
);
create table config.segments (
    segment text primary key,
    position integer not null,
    title text not null,
    condition_sql text not null
);

-- builds ------------------------------------------------------------------------------------------------------------------

-- rebuilt: models that a change of the plan builds again in full. plan_parts: part of the plan to its hash.
alter table ops.builds
    add column rebuilt text[] not null default '{}',
    add column plan_parts jsonb not null default '{}';
create or replace view ops.current_build as
select * from ops.builds where status = 'building';
create or replace view ops.published_build as
select * from ops.builds where status = 'published' order by finished_at desc limit 1;

-- time --------------------------------------------------------------------------------------------------------------------

-- The instant at which a local day begins: the first, where the clock shows midnight twice.
create function ops.day_start(day date, zone text) returns timestamptz language sql immutable parallel safe as $$
    select m.at - case when (m.at - interval '1 hour') at time zone zone >= day::timestamp then interval '1 hour' else interval '0' end
    from (select day::timestamp at time zone zone) as m (at)
$$;

-- funnels -----------------------------------------------------------------------------------------------------------------

-- Gives an item a slot, moving others where that makes room (Kuhn's augmenting path). Slot i of masks[item] is bit i - 1.
create function ops.assign_slot(inout owner integer[], masks bigint[], item integer, inout tried bigint, out is_assigned boolean)
language plpgsql immutable parallel safe as $$
begin
    is_assigned := false;
    for slot in 1..cardinality(owner) loop
        if masks[item] & (1::bigint << (slot - 1)) = 0 or tried & (1::bigint << (slot - 1)) <> 0 then
            continue;
        end if;
        tried := tried | (1::bigint << (slot - 1));
        if owner[slot] <> 0 then
            select a.owner, a.tried, a.is_assigned into owner, tried, is_assigned
            from ops.assign_slot(owner, masks, owner[slot], tried) as a;
            if not is_assigned then
                continue;
            end if;
        end if;
        owner[slot] := item;
        is_assigned := true;
        return;
    end loop;
end
$$;

-- Gives a step an event of one instant, moving other steps where that makes room (Kuhn's augmenting path). steps[e] says which
-- steps event e can serve; owner[e] is the step that it serves, 0 for none; what is below 0 stays.
create function ops.assign_event(inout owner integer[], steps integer[], step integer, inout tried integer, out is_assigned boolean)
language plpgsql immutable parallel safe as $$
begin
    is_assigned := false;
    tried := tried | (1 << (step - 1));
    for e in 1..cardinality(owner) loop
        if owner[e] < 0 or steps[e] & (1 << (step - 1)) = 0 then
            continue;
        end if;
        if owner[e] > 0 then
            continue when tried & (1 << (owner[e] - 1)) <> 0;
            select a.owner, a.tried, a.is_assigned into owner, tried, is_assigned
            from ops.assign_event(owner, steps, owner[e], tried) as a;
            continue when not is_assigned;
        end if;
        owner[e] := step;
        is_assigned := true;
        return;
    end loop;
end
$$;

-- The events of one instant that serve the next steps, in order of the steps: as many steps as possible, each by the first
-- event that leaves the later ones theirs. steps as above; done steps are served already.
create function ops.serve_instant(steps integer[], done integer, step_count integer) returns integer[]
language plpgsql immutable parallel safe as $$
declare
    owner integer[] := array_fill(0, array[cardinality(steps)]);
    moved integer[];
    last integer := done;
    served integer[] := '{}';
    is_assigned boolean;
    present integer;
begin
    for k in done + 1..step_count loop
        select a.owner, a.is_assigned into moved, is_assigned from ops.assign_event(owner, steps, k, 0) as a;
        exit when not is_assigned;
        owner := moved;
        last := k;
    end loop;
    for k in done + 1..last loop
        present := array_position(owner, k);
        for e in 1..present loop
            continue when owner[e] < 0 or steps[e] & (1 << (k - 1)) = 0;
            moved := owner;
            moved[present] := 0;
            moved[e] := -k;
            is_assigned := e = present or owner[e] = 0;
            if not is_assigned then
                select a.owner, a.is_assigned into moved, is_assigned from ops.assign_event(moved, steps, owner[e], 0) as a;
            end if;
            if is_assigned then
                owner := moved;
                served := served || e;
                exit;
            end if;
        end loop;
    end loop;
    return served;
end
$$;

-- The attempts of one person at one funnel: for each entry day the deepest, ties to the earliest; voided ones don't count.
--   times     of the person's events, ascending (strict: ties by step, all of the person's activity)
--   days      local days of the events
--   steps     which steps each event can serve: step k is bit k - 1
--   excluded  which exclusions each event meets: exclusion i is bit i - 1
--   reached   positions in times of the events that serve the steps, in order of step (unordered: of time); the first opens
create function ops.funnel_attempts(
    times timestamptz[], days date[], steps integer[], excluded integer[], step_count integer, step_order text,
    conversion_window interval, exclude_from integer[], exclude_to integer[]
) returns table (entry_day date, reached integer[], reached_at timestamptz[])
language plpgsql immutable parallel safe as $$
declare
    size constant integer := cardinality(times);
    groups integer[] := array_fill(0, array[size]);
    following integer[] := array_fill(0, array[size]);
    nearest integer[] := array_fill(0, array[step_count + 1]);
    numbers integer[] := array_fill(0, array[size]);
    one_step boolean := true;
    until timestamptz;
    low integer;
    high integer;
    at integer;
    instant integer[];
    owner integer[];
    is_assigned boolean;
    is_void boolean;
    walk integer[];
    seen integer;
begin
    -- groups[i]: the first position of i's instant.
    for i in 1..size loop
        groups[i] := case when i > 1 and times[i] = times[i - 1] then groups[i - 1] else i end;
        one_step := one_step and steps[i] & (steps[i] - 1) = 0;
        numbers[i] := length(ltrim(steps[i]::bit(21)::text, '0'));
    end loop;

    -- following[i]: the earliest event of the next step that is not before i's instant, where each event serves one step.
    if step_order = 'ordered' and one_step then
        high := size;
        while high >= 1 loop
            low := groups[high];
            for i in reverse high..low loop
                if steps[i] <> 0 then
                    nearest[numbers[i]] := i;
                end if;
            end loop;
            for i in low..high loop
                if steps[i] <> 0 then
                    following[i] := nearest[numbers[i] + 1];
                end if;
            end loop;
            high := low - 1;
        end loop;
    end if;

    for i in 1..size loop
        if steps[i] = 0 or (step_order <> 'unordered' and steps[i] & 1 = 0) then
            continue;
        end if;
        until := coalesce(times[i] + conversion_window, 'infinity');
        walk := array[i];

        if step_order = 'strict' then
            for k in 2..step_count loop
                at := i + k - 1;
                exit when at > size or times[at] > until or steps[at] & (1 << (k - 1)) = 0;
                walk := walk || at;
            end loop;

        elsif step_order = 'ordered' and one_step then
            at := following[i];
            while at <> 0 and times[at] <= until loop
                walk := walk || at;
                at := following[at];
            end loop;

        elsif step_order = 'ordered' then
            -- Instant by instant: as many of the next steps as its events can serve, one each. The opening event is taken.
            low := groups[i];
            while low <= size and times[low] <= until and cardinality(walk) < step_count loop
                high := low;
                while high < size and times[high + 1] = times[low] loop
                    high := high + 1;
                end loop;
                if high > low then
                    instant := steps[low:high];
                    if low = groups[i] then
                        instant[i - low + 1] := 0;
                    end if;
                    walk := walk || array(
                        select low - 1 + s.e
                        from unnest(ops.serve_instant(instant, cardinality(walk), step_count)) with ordinality as s (e, step)
                        order by s.step
                    );
                elsif low <> i and steps[low] & (1 << cardinality(walk)) <> 0 then
                    walk := walk || low;
                end if;
                low := high + 1;
            end loop;

        else
            owner := array_fill(0, array[step_count]);
            seen := steps[i];
            select a.owner into owner from ops.assign_slot(owner, steps::bigint[], i, 0) as a;
            at := groups[i];
            while at <= size and times[at] <= until and cardinality(walk) < step_count loop
                if at <> i and steps[at] <> 0 and not (one_step and seen & steps[at] <> 0) then
                    select a.owner, a.is_assigned into owner, is_assigned from ops.assign_slot(owner, steps::bigint[], at, 0) as a;
                    if is_assigned then
                        walk := walk || at;
                        seen := seen | steps[at];
                    end if;
                end if;
                at := at + 1;
            end loop;
        end if;

        is_void := false;
        for e in 1..cardinality(exclude_from) loop
            continue when exclude_from[e] > cardinality(walk);
            for j in walk[exclude_from[e]]..size loop
                exit when case
                    when exclude_to[e] <= cardinality(walk) then times[j] >= times[walk[exclude_to[e]]]
                    else times[j] > until
                end;
                if excluded[j] & (1 << (e - 1)) <> 0 and times[j] > times[walk[exclude_from[e]]] then
                    is_void := true;
                    exit;
                end if;
            end loop;
            exit when is_void;
        end loop;
        continue when is_void;
        if entry_day <> days[i] then
            return next;
            reached := null;
        end if;
        if reached is null or cardinality(walk) > cardinality(reached) then
            entry_day := days[i];
            reached := walk;
            reached_at := array[]::timestamptz[];
            foreach at in array walk loop
                reached_at := reached_at || times[at];
            end loop;
        end if;
    end loop;
    if reached is not null then
        return next;
    end if;
end
$$;
