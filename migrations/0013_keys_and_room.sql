-- Every look-up in a table gives its whole key or the record's part of it. With the id first its pages are found by comparing
-- ids alone, and not the project before each of them, which is the same in most rows; and who knows nothing but the id of a
-- submission finds it by the key too.
do $$
declare held record;
begin
    for held in
        select conrelid::regclass as name, conname, string_agg(quote_ident(attname), ', '
                order by attname not in ('submission_id', 'auth_id'), place) as columns
        from pg_constraint
        cross join unnest(conkey) with ordinality as part (number, place)
        join pg_attribute on attrelid = conrelid and attnum = number
        where contype = 'p' and connamespace::regnamespace::text in ('argos', 'argos_pii', 'argos_raw')
        group by conrelid, conname
        having bool_or(attname in ('submission_id', 'auth_id'))
    loop
        execute format('alter table %s drop constraint %I, add constraint %2$I primary key (%s)', held.name, held.conname, held.columns);
    end loop;
end
$$;

-- A row that changes goes to a new place, and each index of its table needs a new entry, unless there is room for it on its page.
-- What a decision changes gets some; a page holds but three identities or seven raw items, and each would need room for one more.
alter table argos.submission set (fillfactor = 90);
alter table argos.kyc_attempt set (fillfactor = 90);
alter table argos_pii.kyc_attempt_verification set (fillfactor = 90);
alter table argos.faceauth set (fillfactor = 90);
