-- Who or what changed a definition or what is stored, when, and what was computed again. Entries are chained by their hashes:
-- each holds that of the one before, so nothing in the middle can change unnoticed. Append-only, for everybody.
create table ops.audit_log (
    entry_id bigint primary key,
    at timestamptz not null,
    actor text not null,
    action text not null,
    subject text not null,
    details jsonb not null default '{}',
    previous_hash text not null,
    entry_hash text not null
);
create index on ops.audit_log (subject);

-- The newest entry. Its row is what writers wait for, so that entries have one order and no gaps; and a log whose end was cut
-- off no longer reaches it.
create table ops.audit_head (
    is_head boolean primary key default true check (is_head),
    entry_id bigint not null,
    entry_hash text not null
);
insert into ops.audit_head (entry_id, entry_hash) values (0, repeat('0', 64));

-- What is hashed: each part with its length in bytes before it, so that no two entries have the same text.
create function ops.audit_hash(
    entry_id bigint, at timestamptz, actor text, action text, subject text, details jsonb, previous_hash text
) returns text language sql stable as $$
    select encode(sha256(convert_to(string_agg(octet_length(convert_to(part, 'UTF8')) || ':' || part || ',', '' order by n), 'UTF8')), 'hex')
    from unnest(array[
        $7, $1::text, to_char($2 at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), $3, $4, $5, $6::text
    ]) with ordinality as p (part, n)
$$;

-- A transaction that has written waits for nobody afterwards but is waited for: an entry comes last in it. One that reads
-- a snapshot older than the newest entry fails with a serialization error, and can be repeated.
create function ops.audit_append() returns trigger language plpgsql as $$
begin
    update ops.audit_head set entry_id = entry_id + 1 returning entry_id, entry_hash into new.entry_id, new.previous_hash;
    new.at := clock_timestamp();
    new.entry_hash := ops.audit_hash(
        new.entry_id, new.at, new.actor, new.action, new.subject, new.details, new.previous_hash
    );
    update ops.audit_head set entry_hash = new.entry_hash;
    return new;
end
$$;
create trigger append before insert on ops.audit_log for each row execute function ops.audit_append();

create function ops.audit_refuse() returns trigger language plpgsql as $$
begin
    raise exception '% of %.% is refused: the audit log can only be added to', lower(tg_op), tg_table_schema, tg_table_name
        using errcode = 'restrict_violation', hint = 'write a new entry that says what was wrong with the old one';
end
$$;
create trigger refuse before update or delete or truncate on ops.audit_log
for each statement execute function ops.audit_refuse();
-- Also where a session has turned triggers off for itself (session_replication_role), as bulk loads do.
alter table ops.audit_log enable always trigger refuse;

create trigger refuse before insert or delete or truncate on ops.audit_head
for each statement execute function ops.audit_refuse();
alter table ops.audit_head enable always trigger refuse;
create trigger refuse_by_hand before update on ops.audit_head
for each statement when (pg_trigger_depth() = 0) execute function ops.audit_refuse();

grant select on ops.audit_log, ops.audit_head to analytics_reader;

-- Which fields of a source's records fill which columns of raw.events: of every mapping that a batch was loaded with.
create table raw.mappings (
    source text not null,
    mapping_sha256 text not null,
    mapping text not null,
    fields jsonb not null,
    first_used_at timestamptz not null default clock_timestamp(),
    primary key (source, mapping_sha256)
);
-- That of the newest batch of each source.
create view raw.mappings_in_use as
select distinct on (b.source)
    b.source,
    m.mapping,
    m.mapping_sha256,
    m.fields
from raw.ingest_batches as b
inner join raw.mappings as m on b.source = m.source and b.mapping_sha256 = m.mapping_sha256
where b.status = 'loaded'
order by b.source asc, b.commit_order desc;

grant select on raw.mappings, raw.mappings_in_use to analytics_reader;
