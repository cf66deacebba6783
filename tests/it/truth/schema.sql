-- The vendor's truth, and how its values are read. Independent of the program: only the contract was asked.
create schema truth;
create table truth.submission (id text collate "C" primary key, item jsonb not null, body bytea not null);
create table truth.faceauth (id text collate "C" primary key, item jsonb not null, body bytea not null);

-- Records that were there once, and are no more.
create table truth.vanished (id text collate "C" primary key);

-- Records that the vendor marks as deleted, in a text that it writes itself.
create table truth.deleted (id text collate "C" primary key);

-- Those and vanished ones whose deletion the warehouse has proven: their last known facts stay, and nothing that names a
-- person.
create table truth.settled (id text collate "C" primary key);

-- What may have been known last of a deleted record; one of its values stays in each column. `is_lax`: the warehouse may
-- have known less, since a list or the mark itself was all that it had seen.
create table truth.submission_version (id text collate "C", item jsonb not null, is_lax boolean not null);
create table truth.faceauth_version (id text collate "C", item jsonb not null, is_lax boolean not null);

-- Contract section 8: ISO 8601, or dashes all the way.
create function truth.at(text) returns timestamptz language sql stable as $$
    select case
        when $1 ~ '^\d{4}(-\d\d){5}-\d{3}$'
        then regexp_replace($1, '^(\d+-\d+-\d+)-(\d+)-(\d+)-(\d+)-(\d+)$', '\1 \2:\3:\4.\5Z')::timestamptz
        else nullif($1, '')::timestamptz
    end $$;

-- Quirk Q6: one text or many; an empty one is none (U16).
create function truth.texts(jsonb) returns text[] language sql immutable as $$
    select case jsonb_typeof($1)
        when 'array' then array(
            select e #>> '{}' from jsonb_array_elements($1) with ordinality as of(e, n)
            where e <> 'null' order by n)
        when 'string' then array_remove(array[$1 #>> '{}'], '')
    end $$;

-- Quirk Q7: a lone object is one element.
create function truth.elements(jsonb) returns jsonb language sql immutable as $$
    select case jsonb_typeof($1)
        when 'array' then $1
        when 'object' then case when $1 = '{}' then '[]' else jsonb_build_array($1) end
        else '[]'
    end $$;

-- Quirk Q21: the set of settings without the webhook's address.
create function truth.shown_set(jsonb) returns jsonb language sql immutable as $$
    select case jsonb_typeof($1) when 'object' then $1 - 'webhookURL' end $$;

-- The first 16 bytes of SHA-256 over the set, keys in order and without spaces, in hex.
create function truth.set_id(jsonb) returns text language sql immutable as $$
    select encode(substr(sha256(convert_to(
        '{' || string_agg(to_json(key)::text || ':' || replace(value::text, ', ', ','), ',' order by key collate "C") || '}',
        'UTF8')), 1, 16), 'hex')
    from jsonb_each($1) $$;
