//! Giving up root: PostgreSQL refuses to run with it.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{MetadataExt as _, chown},
    path::Path,
};

use privdrop::{
    PrivDrop,
    reexports::nix::unistd::{self, User},
};

use super::{
    EmbeddedError,
    place::{Place, create_private_dir},
};

/// Who may own and run a server that root asked for, first choice first.
const SERVER_USERS: [&str; 2] = ["postgres", "nobody"];

/// Creates the server's directory and becomes the user who owns it, for good.
///
/// Root becomes the owner of that or of the data directory where this is an ordinary user, so that both can use the
/// same server.
pub(super) fn give_up_root(place: &Place) -> Result<(), EmbeddedError> {
    let home = place.home();
    create_private_dir(&home)?;
    if unistd::geteuid().is_root() {
        // A directory just created is root's; then the owner of the data directory is asked for.
        let (uid, gid) = match [home.as_path(), place.data_dir()].map(owner) {
            [Ok((0, _)), Ok((0, _))] => server_user()?,
            [Ok((0, _)), other] | [other, _] => other?,
        };
        chown(&home, Some(uid), Some(gid))
            .map_err(|error| EmbeddedError::file("give away", &home, &error))?;
        if place.ephemeral_marker().exists() {
            // The directory's owner may remove it even from a directory with the sticky bit.
            let data_dir = place.data_dir();
            chown(data_dir, Some(uid), Some(gid))
                .map_err(|error| EmbeddedError::file("give away", data_dir, &error))?;
        }
        PrivDrop::default()
            .user(uid.to_string())
            .group(gid.to_string())
            .fallback_to_ids_if_names_are_numeric()
            .apply()
            .map_err(|error| EmbeddedError::GiveUpRoot { reason: error.to_string() })?;
    }
    match fs::read_dir(&home) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(EmbeddedError::Unreachable { path: home, user: own_name() })
        }
        Err(error) => Err(EmbeddedError::file("read", &home, &error)),
    }
}

fn owner(path: &Path) -> Result<(u32, u32), EmbeddedError> {
    fs::metadata(path)
        .map(|metadata| (metadata.uid(), metadata.gid()))
        .map_err(|error| EmbeddedError::file("look at", path, &error))
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
