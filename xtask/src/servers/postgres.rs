//! A Postgres of our own: `initdb`, then the server in the foreground.

use super::Purpose;
use super::packages::Programs;
use super::process::{Server, free_ports, password};
use super::user::User;
use std::path::Path;
use std::process::Stdio;

/// Starts it, waits until it accepts connections, answers with its URL.
pub(super) fn start(folder: &Path, purpose: Purpose, programs: &Programs) -> anyhow::Result<String> {
    // SIGQUIT ends it and its children at once and frees its shared memory.
    let server = Server {
        name: "postgres",
        folder,
        signal: "QUIT",
    };
    let user = User::for_server("postgres")?;
    let home = user.create_folder(&folder.join("postgres"))?;
    let [port] = free_ports()?;
    let password = password()?;
    let password_file = home.join("password");
    user.write_file(&password_file, &password)?;

    eprintln!("starting Postgres on 127.0.0.1:{port}");
    let data = home.join("data");
    server.run(
        user.command(&programs.postgres("initdb"), &home)
            .args([
                "--username=hookyard",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
            ])
            .arg("--pwfile")
            .arg(&password_file)
            .arg("--pgdata")
            .arg(&data),
    )?;
    let mut command = user.command(&programs.postgres("postgres"), &home);
    command
        .arg("-D")
        .arg(&data)
        .arg("-k")
        .arg(&home)
        .args(["-p", &port.to_string()]);
    let further = match purpose {
        Purpose::Tests => FAST.as_slice(),
        Purpose::Measurements => SHIPPED.as_slice(),
    };
    for setting in SETTINGS.iter().chain(further) {
        command.args(["-c", setting]);
    }
    let mut child = server.spawn(&mut command)?;
    server.wait(&mut child, || {
        user.command(&programs.postgres("pg_isready"), &home)
            .args(["--quiet", "--host=127.0.0.1", "--port", &port.to_string()])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })?;
    Ok(format!(
        "postgres://hookyard:{password}@127.0.0.1:{port}/postgres"
    ))
}

/// Every test has a database and pools of its own, hence the connections.
const SETTINGS: [&str; 5] = [
    "listen_addresses=127.0.0.1",
    "max_connections=200",
    "timezone=UTC",
    "lc_messages=C",
    "log_min_messages=warning",
];

/// What the tests' data need not: to survive a power cut.
const FAST: [&str; 2] = ["fsync=off", "full_page_writes=off"];

/// As `docker-compose.yml` sets them.
const SHIPPED: [&str; 2] = ["shared_buffers=512MB", "max_wal_size=4GB"];
