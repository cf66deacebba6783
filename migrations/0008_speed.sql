-- jsonb of identities is compressed several times faster with lz4 than with pglz, and a little larger. Servers built
-- without lz4 stay as they are.
do $$
declare
    held record;
begin
    for held in
        select attrelid::regclass as table_name, attname as column_name
        from pg_attribute join pg_class on pg_class.oid = attrelid join pg_namespace on pg_namespace.oid = relnamespace
        where nspname in ('argos', 'argos_pii') and relkind = 'r' and atttypid = 'jsonb'::regtype and not attisdropped
    loop
        execute format('alter table %s alter column %I set compression lz4', held.table_name, held.column_name);
    end loop;
exception when feature_not_supported then
    null;
end $$;
