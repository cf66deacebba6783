//! Giving up root: PostgreSQL refuses to run with it.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{MetadataExt as _, chown},
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
/// Root becomes the directory's owner where an ordinary user created it, so that both can use the same server.
pub(super) fn give_up_root(place: &Place) -> Result<(), EmbeddedError> {
    let home = place.home();
    create_private_dir(&home)?;
    if unistd::geteuid().is_root() {
        let owner =
            fs::metadata(&home).map_err(|error| EmbeddedError::file("look at", &home, &error))?;
        let (uid, gid) = match owner.uid() {
            0 => server_user()?,
            uid => (uid, owner.gid()),
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
