//! Gives up root privileges, with which PostgreSQL refuses to run.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{MetadataExt as _, lchown},
    path::Path,
};

use privdrop::{
    PrivDrop,
    reexports::nix::unistd::{self, User},
};

use super::{
    EmbeddedError,
    layout::{Layout, create_private_dir},
};

/// Users that may own and run a server started by root, in order of preference.
const SERVER_USERS: [&str; 2] = ["postgres", "nobody"];

/// Write permission for group and others, which allows them to add links and files to a directory.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Permanently switches root to the owner of the data directory, if that is an ordinary user.
///
/// An ordinary user may add links to their own directory. With the privileges of that user, this
/// process can change only what the user can change. Root works only where no other user may write.
pub(super) fn become_owner(layout: &Layout) -> Result<(), EmbeddedError> {
    let data_dir = layout.data_dir();
    // Only tests have an ephemeral directory. This program created it, and root has to outlive it.
    if !unistd::geteuid().is_root() || layout.is_ephemeral() {
        return Ok(());
    }
    let metadata =
        fs::metadata(data_dir).map_err(|error| EmbeddedError::file("inspect", data_dir, &error))?;
    if metadata.uid() != 0 {
        return become_user(metadata.uid(), metadata.gid());
    }
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(EmbeddedError::WritableByOthers { path: data_dir.to_owned() });
    }
    Ok(())
}

/// Creates the server's directory and, if this is root, permanently switches to the user who owns
/// it.
///
/// [`become_owner`] is called first, so that root gets here only if no other user may write in the
/// data directory.
pub(super) fn give_up_root(layout: &Layout) -> Result<(), EmbeddedError> {
    let home = layout.home();
    create_private_dir(&home)?;
    if unistd::geteuid().is_root() {
        let (uid, gid) = match owner(&home)? {
            // Just created.
            (0, _) => server_user()?,
            other => other,
        };
        give_away(&home, uid, gid)?;
        if layout.is_ephemeral() {
            // The directory's owner may remove it even from a directory with the sticky bit.
            give_away(layout.data_dir(), uid, gid)?;
        }
        become_user(uid, gid)?;
    }
    match fs::read_dir(&home) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(EmbeddedError::Unreachable { path: home, user: own_name() })
        }
        Err(error) => Err(EmbeddedError::file("read", &home, &error)),
    }
}

/// Changes the owner of a directory, or of a link itself.
fn give_away(path: &Path, uid: u32, gid: u32) -> Result<(), EmbeddedError> {
    lchown(path, Some(uid), Some(gid))
        .map_err(|error| EmbeddedError::file("change the owner of", path, &error))
}

fn become_user(uid: u32, gid: u32) -> Result<(), EmbeddedError> {
    PrivDrop::default()
        .user(uid.to_string())
        .group(gid.to_string())
        .fallback_to_ids_if_names_are_numeric()
        .apply()
        .map_err(|error| EmbeddedError::GiveUpRoot { reason: error.to_string() })
}

fn owner(path: &Path) -> Result<(u32, u32), EmbeddedError> {
    fs::symlink_metadata(path)
        .map(|metadata| (metadata.uid(), metadata.gid()))
        .map_err(|error| EmbeddedError::file("inspect", path, &error))
}

fn server_user() -> Result<(u32, u32), EmbeddedError> {
    for name in SERVER_USERS {
        let found = User::from_name(name)
            .map_err(|error| EmbeddedError::GiveUpRoot { reason: error.to_string() })?;
        if let Some(user) = found {
            return Ok((user.uid.as_raw(), user.gid.as_raw()));
        }
    }
    let reason = format!("there is no user called {}", SERVER_USERS.join(" or "));
    Err(EmbeddedError::GiveUpRoot { reason })
}

fn own_name() -> String {
    let uid = unistd::geteuid();
    match User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => uid.to_string(),
    }
}
