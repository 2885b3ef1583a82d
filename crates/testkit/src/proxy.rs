//! A connection that can be cut: a TCP proxy in front of a real server.
//!
//! Stopping a server that other tests share would break them; cutting the one connection looks the same to a client.

use crate::thread::Thread;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the proxy does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mode {
    /// What happens to each byte, and to each new connection.
    way: Way,
    /// How often it was cut: a connection that is older than the last cut ends, however soon it was restored.
    cuts: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Every byte is forwarded.
    Open,
    /// Every new connection is closed at once.
    Cut,
    /// Connections are kept and nothing is forwarded, as in a network without route.
    Stalled,
}

/// Listens on a free port of 127.0.0.1 and forwards to one server, until told otherwise.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    _thread: Thread,
}

impl Proxy {
    /// Starts an open proxy in front of `server`.
    pub fn start(server: SocketAddr) -> Self {
        let (mode, modes) = watch::channel(Mode {
            way: Way::Open,
            cuts: 0,
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0")
            .expect("127.0.0.1 has a free port, because a test uses few");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address, because the system gave it one");
        let thread = Thread::start("test-proxy", move || serve(listener, server, modes));
        Self {
            address,
            mode,
            _thread: thread,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections, and each new one at once.
    pub fn cut(&self) {
        self.mode.send_modify(|mode| {
            mode.way = Way::Cut;
            mode.cuts += 1;
        });
    }

    /// Keeps all connections, and forwards nothing.
    pub fn stall(&self) {
        self.mode.send_modify(|mode| mode.way = Way::Stalled);
    }

    /// Forwards again.
    pub fn restore(&self) {
        self.mode.send_modify(|mode| mode.way = Way::Open);
    }
}

async fn serve(listener: std::net::TcpListener, server: SocketAddr, modes: watch::Receiver<Mode>) {
    listener
        .set_nonblocking(true)
        .expect("a fresh listener can be non-blocking, because every one can");
    let listener =
        TcpListener::from_std(listener).expect("the runtime takes the listener, because it has I/O");
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(forward(client, server, modes.clone()));
    }
}

async fn forward(client: TcpStream, server: SocketAddr, mut modes: watch::Receiver<Mode>) {
    let Mode { way, cuts } = *modes.borrow();
    if way == Way::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (modes_of_requests, modes_of_answers) = (modes.clone(), modes.clone());
    tokio::select! {
        // Also when the proxy is dropped.
        _ = modes.wait_for(|mode| mode.cuts > cuts) => {}
        () = copy(from_client, to_server, modes_of_requests) => {}
        () = copy(from_server, to_client, modes_of_answers) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut modes: watch::Receiver<Mode>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if modes.wait_for(|mode| mode.way != Way::Stalled).await.is_err() {
            return;
        }
        let read = buffer.get(..length).unwrap_or_default();
        if to.write_all(read).await.is_err() {
            return;
        }
    }
}
