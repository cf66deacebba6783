-- As long as the table is not analyzed, PostgreSQL takes any index that begins with project and stream for as good as the
-- primary key, and looks a record up by reading all records of its project. With a condition that holds for every row these
-- indexes serve only statements that name their column.
drop index argos_sync.record_window_day;
create index record_window_day on argos_sync.record (project, stream, window_day) where window_day is not null;
drop index argos_sync.record_normalizer_version;
create index record_normalizer_version on argos_sync.record (project, stream, normalizer_version)
    where normalizer_version is not null;
drop index argos_sync.detail_due_order;
create index detail_due_order on argos_sync.detail_due (project, stream, rank, due_at) where rank is not null;
