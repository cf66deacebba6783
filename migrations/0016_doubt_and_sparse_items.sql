-- Lists that lag behind, and list items that leave out what single calls show.

alter table argos_sync.record
    -- A list item that is older than the record by the vendor's own times: its digest, and the read number of its last
    -- comparison. Its content is not stored; one single call decides. Null: the last list item raised no doubt.
    add column doubted_digest bytea,
    add column doubted_no bigint,
    -- The list item lacks the object kyc or aml that single calls show, so that a change there is seen by single calls
    -- alone. 0: approved and screened; 1: any other state; null: lists show both, or nothing is known yet.
    add column sparse smallint,
    -- When its next single call is due for that reason. Null: not computed since the record was last written.
    add column detail_next_at timestamptz;
create index record_sparse on argos_sync.record (project, stream, sparse, detail_next_at) where sparse is not null;

-- How often details of submissions in a state carry the objects kyc and aml: where they usually do, a list item without
-- them leaves something out.
create table argos_sync.detail_objects (
    project text collate "C" not null,
    kyc_result text collate "C" not null,
    details bigint not null,
    with_kyc bigint not null,
    with_aml bigint not null,
    primary key (project, kyc_result)
);

alter table argos_sync.project
    -- Records whose list items leave something out, and when they were counted.
    add column sparse_records bigint not null default 0,
    add column sparse_counted_at timestamptz,
    -- Until when the calls that such records may have were given out.
    add column sparse_drawn_at timestamptz;

alter table argos.submission add column detail_read_at timestamptz;
comment on column argos.submission.detail_read_at is
    'When a single call last showed it, whether or not anything had changed. Null: not since argos-sync notes it. [fact]';
