-- Runs once, as superuser, when the database is initialized: the role of argos-sync with the privileges that it needs.
\set password `cat /run/secrets/argos-sync-password`
create role argos_sync login password :'password';
grant create on database warehouse to argos_sync;
