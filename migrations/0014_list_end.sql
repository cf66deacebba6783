-- Whether a list that goes on is known to have a next-page key: until one was seen, a full page without one may not be the
-- last one of its list.
alter table argos_sync.project add column end_marked boolean not null default false;

-- A walk that stored a second page, or stands before one, has followed a next-page key.
update argos_sync.project set end_marked = true
where exists (
    select from argos_sync.pass
    where pass.project = project.project and (pass.page > 1 or pass.cursor_id is not null));
