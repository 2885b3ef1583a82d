//! A DNS server that tells what a test wants, also something else each time.

use crate::thread::Thread;
use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket as StdUdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::UdpSocket;

/// What the server says about a name.
#[derive(Debug, Clone)]
pub enum Says {
    /// These addresses at the first look-up, those at the second, …; the last ones for ever. None are valid for
    /// longer than the one look-up.
    Addresses(Vec<Vec<IpAddr>>),
    /// That it cannot say.
    Failure,
    /// Nothing at all.
    Nothing,
}

impl Says {
    /// As the corpus writes it: `a,b` are two addresses, `a>b` is one after the other.
    pub fn parse(text: &str) -> Self {
        let parse = |look_up: &str| {
            let addresses = look_up.split(',').map(|address| address.trim().parse());
            addresses
                .collect::<Result<_, _>>()
                .expect("a test writes addresses")
        };
        Self::Addresses(text.split('>').map(parse).collect())
    }
}

/// Listens on a free port of 127.0.0.1; ends when dropped.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    _thread: Thread,
}

impl NameServer {
    /// Starts a server that knows the given names and no others.
    pub fn start<'a>(names: impl IntoIterator<Item = (&'a str, Says)>) -> Self {
        let socket =
            StdUdpSocket::bind("127.0.0.1:0").expect("127.0.0.1 has a free port, because a test uses few");
        let address = socket
            .local_addr()
            .expect("a bound socket has an address, because the system gave it one");
        let zone = Arc::new(Mutex::new(Zone::default()));
        let served = Arc::clone(&zone);
        let server = Self {
            address,
            zone,
            _thread: Thread::start("test-name-server", move || serve(socket, served)),
        };
        for (name, says) in names {
            server.say(name, says);
        }
        server
    }

    /// Starts a server that says one thing about one name.
    pub fn saying(name: &str, says: Says) -> Self {
        Self::start([(name, says)])
    }

    /// Says this about a name from now on.
    pub fn say(&self, name: &str, says: Says) {
        let name = format!("{}.", name.trim_end_matches('.').to_ascii_lowercase());
        let mut zone = lock(&self.zone);
        zone.asked.retain(|(asked, _), _| *asked != name);
        zone.names.insert(name, says);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many queries came.
    pub fn queries(&self) -> usize {
        lock(&self.zone).queries
    }
}

async fn serve(socket: StdUdpSocket, zone: Arc<Mutex<Zone>>) {
    socket
        .set_nonblocking(true)
        .expect("a fresh socket can be non-blocking, because every one can");
    let socket = UdpSocket::from_std(socket).expect("the runtime takes the socket, because it has I/O");
    let mut packet = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut packet).await {
        let query = Message::from_vec(packet.get(..length).unwrap_or_default());
        let query = query.expect("only resolvers of tests send something here, and they send queries");
        let answer = lock(&zone).answer(&query);
        if let Some(answer) = answer {
            let bytes = answer
                .to_vec()
                .expect("an answer of a few addresses can be written");
            // A resolver that has gone needs no answer.
            let _sent = socket.send_to(&bytes, from).await;
        }
    }
}

#[derive(Debug, Default)]
struct Zone {
    names: HashMap<String, Says>,
    asked: HashMap<(String, RecordType), usize>,
    queries: usize,
}

impl Zone {
    fn answer(&mut self, query: &Message) -> Option<Message> {
        self.queries += 1;
        let question = query.queries.first()?;
        let (name, wanted) = (question.name(), question.query_type());
        let mut answer = Message::response(query.metadata.id, OpCode::Query);
        answer.add_query(question.clone());
        let key = name.to_string().to_ascii_lowercase();
        match self.names.get(&key) {
            None => answer.metadata.response_code = ResponseCode::NXDomain,
            Some(Says::Failure) => answer.metadata.response_code = ResponseCode::ServFail,
            Some(Says::Nothing) => return None,
            Some(Says::Addresses(look_ups)) => {
                let times_asked = self.asked.entry((key, wanted)).or_default();
                let addresses = look_ups.get(*times_asked).or_else(|| look_ups.last());
                *times_asked += 1;
                answer.add_answers(
                    addresses
                        .into_iter()
                        .flatten()
                        .map(|address| RData::from(*address))
                        .filter(|data| data.record_type() == wanted)
                        .map(|data| Record::from_rdata(name.clone(), 0, data)),
                );
            }
        }
        Some(answer)
    }
}

fn lock(zone: &Mutex<Zone>) -> MutexGuard<'_, Zone> {
    zone.lock().unwrap_or_else(PoisonError::into_inner)
}
