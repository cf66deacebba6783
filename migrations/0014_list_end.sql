-- Whether a list of the project has shown a next-page key. Until then a full page without a key may
-- not be the last page of its list.
alter table argos_sync.project add column end_marked boolean not null default false;

-- A pass beyond its first page has followed a next-page key.
update argos_sync.project set end_marked = true
where exists (
    select from argos_sync.pass
    where pass.project = project.project and (pass.page > 1 or pass.cursor_id is not null));
