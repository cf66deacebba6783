//! The one-time setup of the cluster.

use std::{collections::HashMap, fs, mem::ManuallyDrop, path::PathBuf, time::Duration};

use postgresql_embedded::{BOOTSTRAP_SUPERUSER, Error, PostgreSQL, Settings, VersionReq};
use secrecy::{ExposeSecret as _, SecretString};

use super::{EmbeddedError, binaries::Installation, connection::HOST, layout::Layout};

/// Time limit of `initdb` or `pg_ctl`.
pub(super) const COMMAND_TIMEOUT: Duration = Duration::from_secs(115);

/// Access rules: connections with a password, over loopback or the server's own socket.
const PG_HBA: &str = "# Written by argos-sync.\n\
    local all all scram-sha-256\n\
    host all all 127.0.0.1/32 scram-sha-256\n";

/// Sets the cluster up if there is none, and downloads PostgreSQL if it is not installed.
///
/// Returns the settings to start it, without port and server settings.
pub(super) async fn ready_cluster(
    layout: &Layout,
    installation: Installation,
    password: &SecretString,
) -> Result<Settings, EmbeddedError> {
    remove_unfinished(layout)?;
    let mut settings = settings(layout, installation, password);
    if layout.cluster().exists() {
        settings.installation_dir = set_up(settings.clone()).await?;
    } else {
        // Complete or absent: `initdb` works under another name, so that a killed run leaves
        // nothing that looks like data.
        let unfinished = layout.unfinished_cluster();
        settings.installation_dir =
            set_up(Settings { data_dir: unfinished.clone(), ..settings.clone() }).await?;
        let finish = || {
            fs::write(unfinished.join("pg_hba.conf"), PG_HBA)?;
            fs::rename(&unfinished, layout.cluster())?;
            fs::File::open(layout.home())?.sync_all()
        };
        finish().map_err(|error| EmbeddedError::file("finish", layout.cluster(), &error))?;
    }
    settings.trust_installation_dir = true;
    Ok(settings)
}

/// Runs the crate's setup. Returns the directory of the installation, which a download determines.
async fn set_up(settings: Settings) -> Result<PathBuf, EmbeddedError> {
    // The crate stops a server when its value is dropped; this one may be an orphan in use.
    let mut server = ManuallyDrop::new(PostgreSQL::new(settings));
    server.setup().await.map_err(|error| match error {
        Error::ArchiveError(error) => EmbeddedError::Download { reason: error.to_string() },
        error => EmbeddedError::Initialise { reason: error.to_string() },
    })?;
    Ok(server.settings().installation_dir.clone())
}

fn settings(layout: &Layout, installation: Installation, password: &SecretString) -> Settings {
    let (installation_dir, trust_installation_dir, version) = match installation {
        Installation::Installed(directory) => (directory, true, VersionReq::STAR),
        Installation::Download(major) => {
            let version = major.and_then(|major| VersionReq::parse(&format!("^{major}")).ok());
            (layout.installation(), false, version.unwrap_or(VersionReq::STAR))
        }
    };
    // Sets every field, because the crate's default leaves two temporary directories behind.
    Settings {
        releases_url: "https://github.com/theseus-rs/postgresql-binaries".to_owned(),
        version,
        installation_dir,
        password_file: layout.superuser_password(),
        data_dir: layout.cluster(),
        host: HOST.to_owned(),
        port: 0,
        username: BOOTSTRAP_SUPERUSER.to_owned(),
        password: password.expose_secret().to_owned(),
        temporary: false,
        timeout: Some(COMMAND_TIMEOUT),
        configuration: HashMap::new(),
        trust_installation_dir,
        socket_dir: None,
    }
}

/// Removes the remains of killed setups; nothing else has such a name.
fn remove_unfinished(layout: &Layout) -> Result<(), EmbeddedError> {
    let home = layout.home();
    let entries =
        fs::read_dir(&home).map_err(|error| EmbeddedError::file("read", &home, &error))?;
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with("initialising-") {
            let path = entry.path();
            fs::remove_dir_all(&path)
                .map_err(|error| EmbeddedError::file("remove", &path, &error))?;
        }
    }
    Ok(())
}
