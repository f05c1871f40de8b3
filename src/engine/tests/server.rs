//! A name server on loopback that does as it is told: UDP and TCP on one port, every byte made by hand.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// One question as it came in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub name: String,
    pub kind: u16,
    pub tcp: bool,
}

/// What the server does with a question.
#[derive(Clone, Default)]
pub(super) struct Play {
    /// The messages that go back, in order; none is silence.
    pub replies: Vec<Vec<u8>>,
    pub delay: Duration,
    /// UDP: answered from another socket.
    pub other_port: bool,
    pub stream: Stream,
}

/// What goes wrong with the stream.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) enum Stream {
    #[default]
    Whole,
    Reset,
    Cut,
    Dribble,
}

impl From<Vec<u8>> for Play {
    fn from(reply: Vec<u8>) -> Play {
        Play { replies: vec![reply], ..Play::default() }
    }
}

/// The query's bytes and how to answer them.
pub(super) struct Question<'a> {
    pub asked: Asked,
    /// How often the same was asked before.
    pub before: usize,
    pub bytes: &'a [u8],
}

impl Question<'_> {
    pub(super) fn edns(&self) -> bool {
        self.bytes[11] == 1
    }

    /// The question section.
    fn section(&self) -> &[u8] {
        let mut at = 12;
        while self.bytes[at] != 0 {
            at += usize::from(self.bytes[at]) + 1;
        }
        &self.bytes[12..at + 5]
    }

    /// A message with these header flags and sections.
    pub(super) fn message(&self, flags: u16, answers: &[Vec<u8>], authority: &[Vec<u8>]) -> Vec<u8> {
        let mut out = self.bytes[..2].to_vec();
        out.extend((0x8180 | flags).to_be_bytes());
        for count in [1, answers.len(), authority.len(), 0] {
            out.extend(u16::try_from(count).unwrap().to_be_bytes());
        }
        out.extend(self.section());
        out.extend(answers.concat());
        out.extend(authority.concat());
        out
    }

    /// One record at the question's name.
    pub(super) fn record(&self, data: &[u8]) -> Vec<u8> {
        record(&[0xc0, 12], self.asked.kind, 300, data)
    }

    /// The usual answer: one record of this data.
    pub(super) fn data(&self, data: &[u8]) -> Vec<u8> {
        self.message(0, &[self.record(data)], &[])
    }

    pub(super) fn rcode(&self, rcode: u16) -> Vec<u8> {
        let authority = if matches!(rcode, 0 | 3) { vec![soa(60)] } else { vec![] };
        self.message(rcode, &[], &authority)
    }
}

pub(super) fn wire_name(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        out.push(u8::try_from(label.len()).unwrap());
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}

pub(super) fn record(owner: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut out = owner.to_vec();
    out.extend(kind.to_be_bytes());
    out.extend([0, 1]);
    out.extend(ttl.to_be_bytes());
    out.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    out.extend(data);
    out
}

/// The root's SOA.
pub(super) fn soa(ttl: u32) -> Vec<u8> {
    let mut data = [wire_name("ns.x"), wire_name("hm.x")].concat();
    for number in [1, 3600, 600, 86_400, ttl] {
        data.extend(u32::to_be_bytes(number));
    }
    record(&[0], 6, ttl, &data)
}

pub(super) struct Server {
    pub address: SocketAddr,
    log: Arc<Mutex<Vec<Asked>>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

type Script = Arc<dyn Fn(&Question<'_>) -> Play + Send + Sync>;

struct Inner {
    script: Script,
    log: Arc<Mutex<Vec<Asked>>>,
    counts: Mutex<HashMap<Asked, usize>>,
}

impl Inner {
    fn play(&self, bytes: &[u8], tcp: bool) -> Play {
        let mut name = String::new();
        let mut at = 12;
        while bytes[at] != 0 {
            let end = at + 1 + usize::from(bytes[at]);
            name.push_str(&String::from_utf8_lossy(&bytes[at + 1..end]));
            name.push('.');
            at = end;
        }
        name.pop();
        let asked = Asked { name, kind: u16::from_be_bytes([bytes[at + 1], bytes[at + 2]]), tcp };
        self.log.lock().unwrap().push(asked.clone());
        let before = {
            let mut counts = self.counts.lock().unwrap();
            let count = counts.entry(asked.clone()).or_default();
            *count += 1;
            *count - 1
        };
        (self.script)(&Question { asked, before, bytes })
    }
}

impl Server {
    pub(super) async fn start(script: impl Fn(&Question<'_>) -> Play + Send + Sync + 'static) -> Server {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (Arc::new(udp), tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let log: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let inner = Arc::new(Inner { script: Arc::new(script), log: log.clone(), counts: Mutex::default() });
        let for_udp = inner.clone();
        let udp_task = tokio::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
                let play = for_udp.play(&buffer[..length], false);
                let udp = udp.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(play.delay).await;
                    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                    let socket = if play.other_port { &other } else { &*udp };
                    for reply in &play.replies {
                        let _ = socket.send_to(reply, from).await;
                    }
                });
            }
        });
        let tcp_task = tokio::spawn(async move {
            while let Ok((stream, _)) = tcp.accept().await {
                tokio::spawn(serve(inner.clone(), stream));
            }
        });
        Server { address, log, tasks: vec![udp_task, tcp_task] }
    }

    /// Every name, asked for its A record, answers 192.0.2.1 after a while.
    pub(super) async fn plain(latency_ms: u64) -> Server {
        Server::start(move |question| Play {
            delay: Duration::from_millis(latency_ms),
            ..question.data(&[192, 0, 2, 1]).into()
        })
        .await
    }

    pub(super) fn log(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }

    pub(super) fn count(&self, name: &str) -> usize {
        self.log().iter().filter(|asked| asked.name == name).count()
    }
}

async fn serve(inner: Arc<Inner>, mut stream: TcpStream) {
    while let Ok(length) = stream.read_u16().await {
        let mut query = vec![0; usize::from(length)];
        if stream.read_exact(&mut query).await.is_err() {
            return;
        }
        let play = inner.play(&query, true);
        tokio::time::sleep(play.delay).await;
        if play.stream == Stream::Reset {
            let _ = stream.set_zero_linger();
            return;
        }
        if play.replies.is_empty() {
            // Silence with the connection open, until the other side has had enough.
            let _ = stream.read_u8().await;
            return;
        }
        for reply in &play.replies {
            let framed = [&u16::try_from(reply.len()).unwrap().to_be_bytes(), reply.as_slice()].concat();
            match play.stream {
                Stream::Cut => {
                    let _ = stream.write_all(&framed[..framed.len() / 2]).await;
                    return;
                }
                Stream::Dribble => {
                    for byte in framed {
                        let _ = stream.write_all(&[byte]).await;
                        let _ = stream.flush().await;
                        tokio::task::yield_now().await;
                    }
                }
                Stream::Whole | Stream::Reset => {
                    let _ = stream.write_all(&framed).await;
                }
            }
        }
    }
}
