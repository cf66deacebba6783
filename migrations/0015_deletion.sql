-- Deletions by the vendor's mark and by absence are proven alike: two single calls decide about a suspect.

-- The vendor's own time of the deletion; deleted_at is when argos-sync had proof of it.
alter table argos.submission add column vendor_deleted_at timestamptz;
alter table argos.faceauth add column vendor_deleted_at timestamptz;
update argos.faceauth set vendor_deleted_at = faceauth.deleted_at
from argos_sync.record
where record.project = faceauth.project and record.stream = 'faceauth' and record.id = faceauth.auth_id
    and faceauth.deleted_at is not null and not record.absent;

-- A suspect was missed by a walk, or an item of it shows the vendor's mark, or both.
alter table argos_sync.suspect
    -- Null: no walk missed it.
    alter column missed_at drop not null,
    alter column pass_id drop not null,
    -- When an item showed the vendor's mark for the first time; null: none did.
    add column marked_at timestamptz,
    -- When a single call showed the mark for the first time.
    add column mark_found_at timestamptz,
    add constraint suspect_evidence check (missed_at is not null or marked_at is not null);

-- Marks were believed in texts that applicants write: the next item of such a record is read again.
update argos_sync.record set list_digest = null, detail_digest = null
where deleted_at is not null and not absent;

comment on column argos.submission_change.old_value is 'The value before; for aml_match the resource_id that vanished, null once the record is deleted; always null for identity fields. [identifier]';
comment on column argos.submission_change.new_value is 'The value after; for aml_match the resource_id that appeared, null once the record is deleted; always null for identity fields. [identifier]';
