//! A DNS server that tells what a test wants, also something else each time.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// What the server says about a name.
pub(crate) enum Says {
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
    pub(crate) fn parse(text: &str) -> Self {
        let parse = |look_up: &str| look_up.split(',').map(|it| it.trim().parse().unwrap()).collect();
        Self::Addresses(text.split('>').map(parse).collect())
    }
}

pub(crate) struct NameServer {
    address: SocketAddr,
    queries: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl NameServer {
    /// Starts a server that knows the given names and no others.
    pub(crate) async fn start<'a>(names: impl IntoIterator<Item = (&'a str, Says)>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let queries = Arc::new(AtomicUsize::new(0));
        let mut zone = Zone {
            names: names
                .into_iter()
                .map(|(name, says)| (format!("{name}."), says))
                .collect(),
            asked: HashMap::new(),
        };
        let task = tokio::spawn({
            let queries = Arc::clone(&queries);
            async move {
                let mut packet = [0; 4096];
                loop {
                    let (length, from) = socket.recv_from(&mut packet).await.unwrap();
                    queries.fetch_add(1, Ordering::SeqCst);
                    let query = Message::from_vec(packet.get(..length).unwrap()).unwrap();
                    if let Some(answer) = zone.answer(&query) {
                        socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
                    }
                }
            }
        });
        Self {
            address,
            queries,
            task,
        }
    }

    /// Starts a server that says one thing about one name.
    pub(crate) async fn saying(name: &str, says: Says) -> Self {
        Self::start([(name, says)]).await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn queries(&self) -> usize {
        self.queries.load(Ordering::SeqCst)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Zone {
    names: HashMap<String, Says>,
    asked: HashMap<(String, RecordType), usize>,
}

impl Zone {
    fn answer(&mut self, query: &Message) -> Option<Message> {
        let question = query.queries.first().unwrap();
        let (name, wanted) = (question.name(), question.query_type());
        let mut answer = Message::response(query.metadata.id, OpCode::Query);
        answer.add_query(question.clone());
        match self.names.get(&name.to_string()) {
            None => answer.metadata.response_code = ResponseCode::NXDomain,
            Some(Says::Failure) => answer.metadata.response_code = ResponseCode::ServFail,
            Some(Says::Nothing) => return None,
            Some(Says::Addresses(look_ups)) => {
                let times_asked = self.asked.entry((name.to_string(), wanted)).or_default();
                let addresses = look_ups.get(*times_asked).or_else(|| look_ups.last()).unwrap();
                *times_asked += 1;
                answer.add_answers(
                    addresses
                        .iter()
                        .map(|address| RData::from(*address))
                        .filter(|data| data.record_type() == wanted)
                        .map(|data| Record::from_rdata(name.clone(), 0, data)),
                );
            }
        }
        Some(answer)
    }
}
