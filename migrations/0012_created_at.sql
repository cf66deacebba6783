-- In a small table PostgreSQL takes an index that begins with the project for as good as the primary key, and looks a record
-- up among all records of its project; a plan that was made then is kept while the table grows. With the time first, the
-- index serves who asks for a time, and nobody who looks a record up.
drop index argos.submission_created_at;
create index submission_created_at on argos.submission (created_at, project);
drop index argos.faceauth_created_at;
create index faceauth_created_at on argos.faceauth (created_at, project);
