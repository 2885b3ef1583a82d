//! The receiver's side of HTTP/1.1: enough of it for any correct client, with connections kept alive.

use super::reply::{Action, Reply};
use super::{Request, Shared, lock};
use std::io;
use std::net::TcpListener as BoundListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// More than any test sends.
const MAX_HEADERS: usize = 128;

pub(super) async fn serve(listener: BoundListener, shared: Arc<Mutex<Shared>>) {
    listener
        .set_nonblocking(true)
        .expect("a fresh listener can be non-blocking, because every one can");
    let listener =
        TcpListener::from_std(listener).expect("the runtime takes the listener, because it has I/O");
    while let Ok((stream, _)) = listener.accept().await {
        let connection = Connection {
            stream,
            buffer: Vec::new(),
        };
        tokio::spawn(answer_all(connection, Arc::clone(&shared)));
    }
}

async fn answer_all(mut connection: Connection, shared: Arc<Mutex<Shared>>) {
    // Ends with the client's last request, with its disconnection, or when it speaks no HTTP.
    while let Ok(Some(request)) = connection.read_request().await {
        let reply = record(&shared, request);
        let kept = connection.write_reply(reply).await;
        lock(&shared).in_flight -= 1;
        if !matches!(kept, Ok(true)) {
            return;
        }
    }
}

fn record(shared: &Mutex<Shared>, request: Request) -> Reply {
    let mut shared = lock(shared);
    shared.in_flight += 1;
    shared.most_in_flight = shared.most_in_flight.max(shared.in_flight);
    let path = request.target.split('?').next().unwrap_or_default();
    let key = if shared.scripts.contains_key(path) {
        path
    } else {
        ""
    };
    let reply = shared.scripts.entry(key.to_owned()).or_default().take();
    shared.requests.push(request);
    reply
}

struct Head {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    /// Of the head itself, in bytes.
    length: usize,
}

struct Connection {
    stream: TcpStream,
    /// What was read and not yet used.
    buffer: Vec<u8>,
}

impl Connection {
    /// `None` when the client closed between two requests.
    async fn read_request(&mut self) -> io::Result<Option<Request>> {
        let head = loop {
            if let Some(head) = parse_head(&self.buffer)? {
                break head;
            }
            if self.fill().await? == 0 {
                return Ok(None);
            }
        };
        self.buffer.drain(..head.length);
        let body = match framing(&head.headers) {
            Framing::Length(length) => self.take(length).await?,
            Framing::Chunked => self.take_chunks().await?,
        };
        Ok(Some(Request {
            method: head.method,
            target: head.target,
            headers: head.headers,
            body,
            at: Instant::now(),
        }))
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn take_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let parsed = httparse::parse_chunk_size(&self.buffer)
                .map_err(|_invalid| io::Error::from(io::ErrorKind::InvalidData))?;
            let httparse::Status::Complete((line, size)) = parsed else {
                if self.fill().await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                continue;
            };
            self.buffer.drain(..line);
            let size = usize::try_from(size).map_err(io::Error::other)?;
            body.extend(self.take(size).await?);
            // The line's end after the chunk; after the last one it ends the body (no client here sends trailers).
            self.take(2).await?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.stream.read_buf(&mut self.buffer).await
    }

    /// Whether the connection can serve another request.
    async fn write_reply(&mut self, reply: Reply) -> io::Result<bool> {
        sleep(reply.delay).await;
        match reply.action {
            Action::Answer {
                status,
                headers,
                body,
            } => {
                let length = ("content-length".to_owned(), body.len().to_string());
                let lines: Vec<String> = std::iter::once(length)
                    .chain(headers)
                    .map(|(name, value)| format!("{name}: {value}\r\n"))
                    .collect();
                let head = format!("HTTP/1.1 {status} Told\r\n{}\r\n", lines.concat());
                self.stream
                    .write_all(&[head.as_bytes(), body.as_slice()].concat())
                    .await?;
                Ok(true)
            }
            Action::Hang => {
                // Until the client gives up.
                while self.fill().await? > 0 {}
                Ok(false)
            }
            Action::Reset => {
                self.stream.set_zero_linger()?;
                Ok(false)
            }
            Action::EndlessBody => {
                let head = "HTTP/1.1 200 Told\r\ntransfer-encoding: chunked\r\n\r\n";
                self.stream.write_all(head.as_bytes()).await?;
                let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
                loop {
                    self.stream.write_all(chunk.as_bytes()).await?;
                    // Endless, not as fast as the machine can.
                    sleep(Duration::from_millis(1)).await;
                }
            }
            Action::Raw(bytes) => {
                self.stream.write_all(&bytes).await?;
                self.stream.shutdown().await?;
                Ok(false)
            }
        }
    }
}

fn parse_head(buffer: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(buffer).map_err(io::Error::other)?;
    let httparse::Status::Complete(length) = parsed else {
        return Ok(None);
    };
    let owned = |header: &httparse::Header<'_>| (header.name.to_owned(), header.value.to_vec());
    Ok(Some(Head {
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().to_owned(),
        headers: request.headers.iter().map(owned).collect(),
        length,
    }))
}

enum Framing {
    Length(usize),
    Chunked,
}

fn framing(headers: &[(String, Vec<u8>)]) -> Framing {
    let value = |wanted: &str| {
        let found = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        std::str::from_utf8(&found.1).ok()
    };
    if value("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return Framing::Chunked;
    }
    let length = value("content-length").and_then(|length| length.trim().parse().ok());
    Framing::Length(length.unwrap_or(0))
}
