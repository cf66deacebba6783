//! The connection to the database: refused addresses, warnings, and the message for each failure of
//! TLS.

use std::{net::Ipv4Addr, path::Path, process::Command, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    process::{Child, Command as Program},
};

use crate::{
    evidence::ended_within,
    world::{Ran, TestWorld},
};

/// Every failure is reported within this time.
const SOON: Duration = Duration::from_secs(30);

async fn with_url(world: &TestWorld, url: &str, command: &str) -> Ran {
    let program = world.start_with(&[("database.url", url)], &[command]);
    ended_within(SOON, program).await
}

#[tokio::test]
async fn an_address_with_a_parameter_that_means_nothing_is_refused_without_its_value() {
    let world = TestWorld::new(0, 0).await;
    for (query, named) in [
        ("sslpassword=sekret", "the parameter `sslpassword`, which argos-sync does not support"),
        ("connect_timeout=5", "the parameter `connect_timeout`"),
        ("password=a&sekret", "an unknown parameter"),
        ("sekret=a", "an unknown parameter"),
    ] {
        let url = format!("postgres://u:sekret@127.0.0.1:9/warehouse?{query}");
        for command in ["check", "status"] {
            let ran = with_url(&world, &url, command).await;
            let all = format!("{}{}", ran.stdout, ran.stderr);
            assert!(ran.code() == 78 || command == "check" && ran.code() == 1, "{ran:?}");
            assert!(all.contains(named), "{query}: {ran:?}");
            assert!(!all.contains("sekret"), "{query}: {ran:?}");
        }
    }
}

#[tokio::test]
async fn less_than_a_verified_name_off_this_machine_is_warned_of() {
    let world = TestWorld::new(0, 0).await;
    for (mode, warning) in [
        ("disable", "passwords and personal data cross the network in plain text"),
        ("prefer", "encrypted only if the server supports it"),
        ("require", "any server is trusted"),
        ("verify-ca", "verify-full also checks its name"),
    ] {
        let url = format!("postgres://u:sekret@db.invalid/warehouse?sslmode={mode}");
        let ran = with_url(&world, &url, "status").await;
        assert_eq!(ran.code(), 75, "{ran:?}");
        assert!(ran.stderr.contains(warning), "{ran:?}");
    }
    let ran = with_url(&world, "postgres://u:sekret@db.invalid/warehouse", "status").await;
    assert!(!ran.stderr.contains("WARN"), "{ran:?}");
    assert!(ran.stderr.contains("no such host"), "{ran:?}");
    assert!(ran.stderr.contains("correct the host in `database.url`"), "{ran:?}");
}

/// A server that answers the TLS request with this letter, and then forwards to another server, if
/// there is one.
async fn server(letter: u8, behind: Option<u16>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 8];
                if client.read_exact(&mut request).await.is_err()
                    || client.write_all(&[letter]).await.is_err()
                {
                    return;
                }
                if let Some(port) = behind
                    && let Ok(mut other) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await
                {
                    let _closed = copy_bidirectional(&mut client, &mut other).await;
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_server_without_tls_is_named_with_what_to_do() {
    let world = TestWorld::new(0, 0).await;
    let port = server(b'N', None).await;
    let url = format!("postgres://u:sekret@127.0.0.1:{port}/warehouse?sslmode=verify-full");
    for command in ["check", "status"] {
        let ran = with_url(&world, &url, command).await;
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert!(all.contains("the server does not support TLS"), "{ran:?}");
        assert!(all.contains("`sslmode=disable`"), "{ran:?}");
    }
}

/// Makes a certificate and a key with `openssl`; `None` if `openssl` is missing.
fn certificate(dir: &Path, name: &str, arguments: &[&str]) -> Option<(String, String)> {
    let path = |ending: &str| dir.join(format!("{name}.{ending}")).display().to_string();
    let (key, file) = (path("key"), path("pem"));
    let mut openssl = Command::new("openssl");
    let made = openssl
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-days", "2"])
        .args(["-keyout", &key, "-out", &file])
        .args(arguments)
        .output();
    let Ok(output) = made else {
        println!("skipped: there is no openssl here");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some((file, key))
}

/// Makes a certificate of version 1; `None` if `openssl` cannot.
fn old_certificate(dir: &Path, (file, key): &(String, String)) -> Option<(String, String)> {
    let old = dir.join("old.pem").display().to_string();
    let script = format!(
        "openssl req -new -key {key} -subj /CN=test -out {file}.csr \
            && openssl x509 -req -in {file}.csr -signkey {key} -days 2 -out {old} \
            && openssl x509 -in {old} -noout -text"
    );
    let made = Command::new("sh").args(["-c", &script]).output().expect("the shell runs");
    let is_old = String::from_utf8_lossy(&made.stdout).contains("Version: 1 ");
    if !is_old {
        println!("skipped: this openssl makes no certificate of version 1");
    }
    is_old.then(|| (old, key.clone()))
}

/// Starts a TLS server with this certificate.
async fn speaks_tls((file, key): &(String, String)) -> (Child, u16) {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let address = format!("127.0.0.1:{port}");
    let child = Program::new("openssl")
        .args(["s_server", "-quiet", "-accept", &address, "-cert", file, "-key", key])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("openssl runs");
    for _ in 0..500 {
        if TcpStream::connect(&address).await.is_ok() {
            return (child, server(b'S', Some(port)).await);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("openssl never listened");
}

#[tokio::test]
async fn each_fault_of_a_certificate_has_a_sentence_and_a_next_step() {
    let world = TestWorld::new(0, 0).await;
    let dir = world.dir.path();
    let v3 = ["-addext", "basicConstraints=critical,CA:FALSE"];
    let named = |names: &'static str| [&v3[..], &["-addext", names]].concat();
    let Some(right) = certificate(dir, "right", &named("subjectAltName=IP:127.0.0.1")) else {
        return;
    };
    let other = certificate(dir, "other", &named("subjectAltName=DNS:db.example")).expect("made");
    let old = old_certificate(dir, &other);
    let mut cases = vec![
        (right.clone(), None, "from an unknown authority", "`sslrootcert=FILE`"),
        (other.clone(), Some(&other), "for another host name", "`sslmode=verify-ca`"),
    ];
    if let Some(old) = &old {
        cases.push((old.clone(), Some(old), "of X.509 version 1", "subjectAltName"));
    }
    for (certificate, root, named, advice) in cases {
        let (_server, port) = speaks_tls(&certificate).await;
        let root = root.map(|(file, _)| format!("&sslrootcert={file}")).unwrap_or_default();
        let url =
            format!("postgres://u:sekret@127.0.0.1:{port}/warehouse?sslmode=verify-full{root}");
        let ran = with_url(&world, &url, "check").await;
        assert!(ran.stdout.contains(named) && ran.stdout.contains(advice), "{named}: {ran:?}");
    }
    let url = format!(
        "postgres://u:sekret@127.0.0.1:{}/warehouse?sslmode=verify-full&sslrootcert=/nowhere/ca.pem",
        speaks_tls(&right).await.1
    );
    let ran = with_url(&world, &url, "check").await;
    assert!(ran.stdout.contains("a certificate file does not exist or cannot be read"), "{ran:?}");
}
