-- A row of an identity is larger than what PostgreSQL keeps in one piece. Its jsonb went to a table beside it, at the cost of
-- a row and an index entry each, and images' addresses were compressed with pglz on the way. Kept in the row, compressed
-- with lz4 where the server can, the same takes less time and less room. Rows that are there already stay as they are.
do $$
declare
    held record;
begin
    for held in
        select attname as column_name
        from pg_attribute
        where attrelid = 'argos_pii.submission_identity'::regclass and attnum > 0 and attstorage = 'x' and not attisdropped
    loop
        execute format('alter table argos_pii.submission_identity alter column %I set storage main', held.column_name);
    end loop;
end $$;

do $$
declare
    held record;
begin
    for held in
        select attrelid::regclass as table_name, attname as column_name
        from pg_attribute join pg_class on pg_class.oid = attrelid join pg_namespace on pg_namespace.oid = relnamespace
        where nspname in ('argos', 'argos_pii') and relkind = 'r' and attnum > 0 and attlen = -1
            and attstorage in ('x', 'm') and attcompression <> 'l' and not attisdropped
    loop
        execute format('alter table %s alter column %I set compression lz4', held.table_name, held.column_name);
    end loop;
exception when feature_not_supported then
    null;
end $$;
