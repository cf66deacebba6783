-- Every look-up of a record gives its whole key. With the id first its pages are found by comparing ids alone, and not
-- project and stream before each of them, which are the same in most rows: what an unchanged item costs is this look-up.
alter table argos_sync.record drop constraint record_pkey, add constraint record_pkey primary key (id, project, stream);
