//! A RabbitMQ of our own, with an Erlang port mapper (epmd) of its own: the machine's must not learn of it.

use super::packages::Programs;
use super::process::{Server, free_ports, password};
use super::user::User;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

/// Starts it, waits until it accepts connections, answers with its URL.
pub(super) fn start(folder: &Path, programs: &Programs) -> anyhow::Result<String> {
    let user = User::for_server("rabbitmq")?;
    let home = user.create_folder(&folder.join("rabbitmq"))?;
    let [port, distribution, mapper] = free_ports()?;
    let password = password()?;
    let settings = home.join("rabbitmq.conf");
    user.write_file(&settings, &settings_text(&password))?;
    let plugins = home.join("enabled_plugins");
    user.write_file(&plugins, "[].\n")?;

    eprintln!("starting RabbitMQ on 127.0.0.1:{port}");
    Server {
        name: "epmd",
        folder,
        signal: "KILL",
    }
    .spawn(user.command(&programs.epmd, &home).args([
        "-address",
        "127.0.0.1",
        "-port",
        &mapper.to_string(),
    ]))?;
    let server = Server {
        name: "rabbitmq",
        folder,
        signal: "KILL",
    };
    let mut child = server.spawn(
        user.command(&programs.rabbitmq_server, &home)
            .env("HOME", &home) // where Erlang keeps its cookie
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", mapper.to_string())
            .env("RABBITMQ_NODENAME", "hookyard@localhost")
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", port.to_string())
            .env("RABBITMQ_DIST_PORT", distribution.to_string())
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            )
            .env("RABBITMQ_MNESIA_BASE", home.join("data"))
            .env("RABBITMQ_LOG_BASE", home.join("log"))
            .env("RABBITMQ_PID_FILE", home.join("pid"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", &plugins)
            .env("RABBITMQ_CONFIG_FILE", &settings)
            .env("RABBITMQ_GENERATED_CONFIG_DIR", home.join("config"))
            // Files that are not there: the machine's own must not be read.
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", home.join("advanced.config"))
            .env("RABBITMQ_CONF_ENV_FILE", home.join("rabbitmq-env.conf")),
    )?;
    server.wait(&mut child, || greets(port))?;
    Ok(format!("amqp://hookyard:{password}@127.0.0.1:{port}/%2f"))
}

fn settings_text(password: &str) -> String {
    format!(
        "default_user = hookyard\n\
         default_pass = {password}\n\
         loopback_users = none\n\
         # 512 MB by default, too much for a folder that is thrown away.\n\
         raft.wal_max_size_bytes = 67108864\n"
    )
}

/// Whether it answers AMQP 0-9-1's greeting (§4.2.2) with a method frame, `connection.start`.
fn greets(port: u16) -> bool {
    let greet = || -> std::io::Result<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"AMQP\x00\x00\x09\x01")?;
        let mut kind = [0];
        stream.read_exact(&mut kind)?;
        Ok(kind[0])
    };
    greet().is_ok_and(|kind| kind == 1)
}
