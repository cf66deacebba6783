//! Binds a project to a vendor account: verified keys, the vendor's project id, and the records
//! that prove the account (I12).

use secrecy::SecretSlice;
use sqlx::PgConnection;

use crate::{
    domain::{KeyId, ProjectName, ReadNumber},
    warehouse::{
        postgres::{
            error::{Doing as _, WarehouseError},
            pool::Warehouse,
        },
        scope::Scope,
    },
};

/// How a key was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyProof {
    /// A detail call found a known record.
    Record,
    /// The answers contain the bound vendor project's id.
    VendorProject,
    /// No known record could be requested.
    First,
}

impl KeyProof {
    fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::VendorProject => "vendor_project",
            Self::First => "first",
        }
    }

    fn of(word: &str) -> Self {
        match word {
            "record" => Self::Record,
            "vendor_project" => Self::VendorProject,
            _ => Self::First,
        }
    }
}

/// The account that a project is bound to.
#[derive(Debug)]
pub struct Binding {
    /// The random secret from which key ids are derived.
    pub secret: SecretSlice<u8>,
    /// The bound keys with their proofs.
    pub keys: Vec<(KeyId, KeyProof)>,
    /// The vendor's id of the project; `None` until an answer contained one.
    pub vendor_project: Option<String>,
}

impl Binding {
    /// Whether a key needs no further proof. If several keys were bound before any record was
    /// known, each is verified again once records are known: another key may have fetched them.
    pub fn is_verified(&self, key: &KeyId, has_records: bool) -> bool {
        let proof = self.keys.iter().find(|(known, _)| known == key).map(|(_, proof)| *proof);
        match proof {
            Some(KeyProof::Record | KeyProof::VendorProject) => true,
            Some(KeyProof::First) => !has_records || self.keys.len() == 1,
            None => false,
        }
    }
}

/// Evidence in a pass about the account that its records belong to.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::warehouse) struct AccountEvidence {
    shown: u32,
    missed: u32,
    /// True if a record was stored after the account was last confirmed.
    has_newer: bool,
}

impl AccountEvidence {
    /// Adds a record that the pass should have shown. `is_bound` is true if the record is known to
    /// belong to the bound account. It is false if the record was stored after the last
    /// confirmation, and `None` if nothing is known.
    pub(in crate::warehouse) fn add(&mut self, is_bound: Option<bool>, is_shown: bool) {
        match is_bound {
            Some(true) if is_shown => self.shown += 1,
            Some(true) => self.missed += 1,
            Some(false) => self.has_newer = true,
            None => {}
        }
    }

    /// Whether the pass proves for the first time that newer records belong to the bound account
    /// too. A few records may be counted as shown by chance ([`crate::warehouse::SeenIds`]), so
    /// most of them must be shown.
    pub(in crate::warehouse) fn is_of_bound_account(self) -> bool {
        self.has_newer && self.shown > self.missed
    }
}

/// The result of binding the first key of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstKey {
    /// It is bound.
    Bound,
    /// Records have become known in the meantime; they must prove the key.
    RecordsKnown,
    /// Another process is running, another key was bound within the last hour, and no record is
    /// stored yet.
    OtherFirst,
}

impl Warehouse {
    /// Reads the account that a project is bound to.
    pub async fn binding(&self, project: &ProjectName) -> Result<Binding, WarehouseError> {
        self.retry(async || {
            let doing = "reading the project's binding";
            let row = sqlx::query!(
                r#"select secret.value, stored.vendor_project as "vendor_project?"
                   from argos_sync.key_secret as secret
                   left join argos_sync.project as stored on stored.project = $1"#,
                project.as_str(),
            )
            .fetch_one(&self.pool)
            .await
            .doing(doing)?;
            let keys = sqlx::query!(
                "select key_id, proof from argos_sync.project_key where project = $1",
                project.as_str(),
            )
            .fetch_all(&self.pool)
            .await
            .doing(doing)?;
            let keys = keys.into_iter().map(|row| (KeyId(row.key_id), KeyProof::of(&row.proof)));
            Ok(Binding {
                secret: row.value.into(),
                keys: keys.collect(),
                vendor_project: row.vendor_project,
            })
        })
        .await
    }

    /// Returns the live records of the bound account that have been known longest. Reads all
    /// records of the project: called once for each new key.
    pub async fn longest_known(
        &self,
        scope: &Scope,
        count_max: i64,
    ) -> Result<Vec<String>, WarehouseError> {
        self.retry(async || {
            sqlx::query_scalar!(
                "select stored.id from argos_sync.record as stored
                 left join argos_sync.suspect
                    on suspect.project = $1 and suspect.stream = $2 and suspect.id = stored.id
                 where stored.project = $1 and stored.stream = $2 and stored.deleted_at is null
                   and stored.first_read >= (select account_first_read from argos_sync.project
                       where project = $1)
                 order by suspect.id is not null, stored.first_read, stored.id limit $3",
                scope.project.as_str(),
                scope.stream.as_str(),
                count_max,
            )
            .fetch_all(&self.pool)
            .await
            .doing("reading the oldest known records")
        })
        .await
    }

    /// Binds the first key of an account. Does nothing if records are known by now, because they
    /// must prove the key.
    pub async fn bind_first_key(
        &self,
        scope: &Scope,
        key: &KeyId,
        holder: &str,
    ) -> Result<FirstKey, WarehouseError> {
        self.retry(async || {
            let doing = "binding the project's first key";
            let mut transaction = self.begin(doing).await?;
            // Serializes key bindings of one project.
            sqlx::query!(
                "select from argos_sync.project where project = $1 for update",
                scope.project.as_str()
            )
            .fetch_optional(&mut *transaction)
            .await
            .doing(doing)?;
            let known = sqlx::query!(
                r#"select
                    exists (select from argos_sync.project_key
                        where project = $1 and key_id = $3) as "is_bound!",
                    exists (
                        select from argos_sync.record
                        where project = $1 and stream = $2 and deleted_at is null
                          and first_read >= (select account_first_read from argos_sync.project
                              where project = $1))
                        as "has_records!",
                    exists (
                        select from argos_sync.project_key
                        where project = $1 and key_id <> $3
                          and bound_at > argos_sync.clock() - interval '1 hour')
                        and exists (
                            select from argos_sync.run
                            where ended_at is null and expires_at > argos_sync.clock()
                                and holder is distinct from $4)
                        as "is_other_first!""#,
                scope.project.as_str(),
                scope.stream.as_str(),
                key.0.as_slice(),
                holder,
            )
            .fetch_one(&mut *transaction)
            .await
            .doing(doing)?;
            if known.is_bound {
                return Ok(FirstKey::Bound);
            }
            if known.has_records {
                return Ok(FirstKey::RecordsKnown);
            }
            if known.is_other_first {
                return Ok(FirstKey::OtherFirst);
            }
            bind(&mut transaction, &scope.project, key, KeyProof::First).await?;
            transaction.commit().await.doing(doing)?;
            Ok(FirstKey::Bound)
        })
        .await
    }

    /// Binds a proven key. A record found with it proves that the account was still the bound one
    /// at that read number.
    pub async fn bind_key(
        &self,
        project: &ProjectName,
        key: &KeyId,
        proof: KeyProof,
        read: ReadNumber,
    ) -> Result<(), WarehouseError> {
        self.retry(async || {
            let doing = "binding a key";
            let mut transaction = self.begin(doing).await?;
            raise_account_last_read(&mut transaction, project, read).await?;
            bind(&mut transaction, project, key, proof).await?;
            transaction.commit().await.doing(doing)
        })
        .await
    }

    /// Binds the vendor's id of a project unless one is already bound. Returns the bound id.
    pub async fn bind_vendor_project(
        &self,
        project: &ProjectName,
        named: &str,
    ) -> Result<String, WarehouseError> {
        self.retry(async || {
            sqlx::query_scalar!(
                r#"update argos_sync.project set vendor_project = coalesce(vendor_project, $2)
                   where project = $1 returning vendor_project as "vendor_project!""#,
                project.as_str(),
                named,
            )
            .fetch_one(&self.pool)
            .await
            .doing("binding the vendor's project")
        })
        .await
    }

    /// Removes the binding of a project, so that the next key is accepted for any account. Records
    /// known until now no longer prove anything. Returns whether the project exists.
    pub async fn rebind(&self, project: &ProjectName) -> Result<bool, WarehouseError> {
        sqlx::query_scalar!(
            r#"with keys as (delete from argos_sync.project_key where project = $1),
             stored as (
                update argos_sync.project
                set vendor_project = null, account_first_read = nextval('argos_sync.read_number'),
                    account_last_read = null, blocked_at = null, blocked_reason = null
                where project = $1 returning project)
             select exists (select from stored) as "is_known!""#,
            project.as_str(),
        )
        .fetch_one(&self.pool)
        .await
        .doing("rebinding a project")
    }

    /// Records, at the end of a project's first run, that the records known by now belong to its
    /// account.
    pub async fn note_account(&self, scope: &Scope) -> Result<(), WarehouseError> {
        self.retry(async || {
            sqlx::query!(
                "update argos_sync.project as stored
                 set account_last_read = nextval('argos_sync.read_number')
                 where project = $1 and account_last_read is null and exists (
                    select from argos_sync.record
                    where project = $1 and stream = $2
                      and first_read >= stored.account_first_read)",
                scope.project.as_str(),
                scope.stream.as_str(),
            )
            .execute(&self.pool)
            .await
            .map(drop)
            .doing("storing the project's account")
        })
        .await
    }

    /// Whether any of these records, found by detail calls at these read numbers, was already known
    /// to belong to the bound account. If so, records that the account was still the bound one at
    /// that read number.
    pub async fn confirm_account(
        &self,
        scope: &Scope,
        found: &[(&str, ReadNumber)],
    ) -> Result<bool, WarehouseError> {
        self.retry(async || {
            if found.is_empty() {
                return Ok(false);
            }
            let ids: Vec<&str> = found.iter().map(|(id, _)| *id).collect();
            let numbers: Vec<i64> = found.iter().map(|(_, read)| read.0).collect();
            sqlx::query_scalar!(
                r#"with confirmed as materialized (
                    select max(given.number) as number
                    from unnest($3::text[], $4::bigint[]) as given (id, number)
                    cross join lateral (
                        select first_read from argos_sync.record
                        where project = $1 and stream = $2 and id = given.id offset 0) as stored
                    where stored.first_read >= (select account_first_read from argos_sync.project
                        where project = $1)
                      and stored.first_read <= (select account_last_read from argos_sync.project
                          where project = $1)),
                 raised as (
                    update argos_sync.project as stored set account_last_read = confirmed.number
                    from confirmed
                    where stored.project = $1 and stored.account_last_read < confirmed.number)
                 select number is not null as "is_confirmed!" from confirmed"#,
                scope.project.as_str(),
                scope.stream.as_str(),
                &ids as &[&str],
                &numbers,
            )
            .fetch_one(&self.pool)
            .await
            .doing("confirming the project's account")
        })
        .await
    }
}

/// Records that the account was still the bound one at this read number: all records stored by then
/// belong to it.
pub(in crate::warehouse) async fn raise_account_last_read(
    connection: &mut PgConnection,
    project: &ProjectName,
    read: ReadNumber,
) -> Result<(), WarehouseError> {
    sqlx::query!(
        "update argos_sync.project set account_last_read = $2
         where project = $1 and (account_last_read is null or account_last_read < $2)",
        project.as_str(),
        read.0,
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("storing the project's account")
}

async fn bind(
    connection: &mut PgConnection,
    project: &ProjectName,
    key: &KeyId,
    proof: KeyProof,
) -> Result<(), WarehouseError> {
    sqlx::query!(
        "insert into argos_sync.project_key as stored (project, key_id, bound_at, proof)
         values ($1, $2, argos_sync.clock(), $3)
         on conflict (project, key_id) do update set proof = excluded.proof
         where stored.proof is distinct from excluded.proof",
        project.as_str(),
        key.0.as_slice(),
        proof.as_str(),
    )
    .execute(connection)
    .await
    .map(drop)
    .doing("binding a key")
}

#[cfg(test)]
mod tests;
