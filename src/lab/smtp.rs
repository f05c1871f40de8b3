//! The mail servers of the demo world. Each host has a listener of its own, because a server must know who it is before
//! a client says whom it wants; what it does stands in `assets/demo/smtp.toml`, so that a new behaviour is a few lines
//! there. It delivers no mail; of what it took it keeps the last messages, for tests to look at.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::{LabError, tls, world};

/// How long a conversation may last.
const PATIENCE: Duration = Duration::from_secs(600);
/// Longest line that is read (RFC 5321 §4.5.3.1.6 allows 1000; clients may be wrong too).
const MAX_LINE: u64 = 8 * 1024;
/// Longest message that is read.
const MAX_DATA: usize = 64 * 1024 * 1024;
/// How many messages are kept, and how much of each.
const KEPT: (usize, usize) = (8, 1024 * 1024);

/// A message that one of the servers took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The server.
    pub host: String,
    /// The bytes as they came, dot-stuffed, the final dot left out; of a long one the beginning.
    pub wire: Vec<u8>,
}

/// What was taken last, the newest at the end.
pub(super) type Mailbag = Arc<Mutex<VecDeque<Taken>>>;

/// One mail server.
#[derive(Clone, Debug)]
pub(super) struct Host {
    name: Arc<str>,
    does: Arc<Behaviour>,
    bag: Mailbag,
}

/// What a server does; a reply is text with its lines separated by `\n`, sent as it stands.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Behaviour {
    /// Where it listens; 25 where nothing is said, 465 with TLS from the start.
    ports: Vec<u16>,
    /// It speaks LMTP (RFC 2033): LHLO, and after the message a reply for each recipient. The mailbox `full` is full.
    lmtp: bool,
    /// Nobody is there: connections are refused.
    absent: bool,
    /// The greeting; a good one where nothing is said.
    banner: Option<String>,
    /// How often the greeting's lines are said.
    banner_repeat: Option<usize>,
    /// Milliseconds before the greeting.
    banner_delay_ms: u64,
    /// Hangs up after the greeting.
    hang_up: bool,
    /// Hangs up, without a word, when it hears this verb (`EHLO`, `STARTTLS`, `MAIL`, …).
    hang_up_at: Option<String>,
    /// The greeting never ends: the same line again and again, or one line without an end.
    endless: Option<Endless>,
    /// Says nothing, ever.
    silent: bool,
    /// Milliseconds before each later line of a reply.
    line_delay_ms: u64,
    /// Milliseconds before each byte.
    byte_delay_ms: u64,
    /// The whole reply to EHLO, instead of one made of the capabilities.
    ehlo: Option<String>,
    /// Capabilities; a modern server's where nothing is said.
    offers: Option<Vec<String>>,
    /// What it offers besides once TLS is on.
    offers_in_tls: Vec<String>,
    starttls: StartTls,
    /// Milliseconds before each reply after the greeting.
    reply_delay_ms: u64,
    /// What it says besides, unasked, after each reply.
    chatter: Option<String>,
    mail: Option<String>,
    rcpt: Option<String>,
    data: Option<String>,
}

/// How a greeting never ends.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Endless {
    /// Line after line, each saying that one more comes.
    Lines,
    /// A line without an end.
    Line,
}

/// What STARTTLS does.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum StartTls {
    /// It is offered and works.
    #[default]
    Works,
    /// It is not offered, and unknown when tried.
    Missing,
    /// It is offered, and answered 454.
    Temporary,
    /// It is offered and answered 220, and what follows is no TLS.
    Garbage,
    /// It is offered and answered 220, and then the connection is closed.
    Closes,
    /// It is offered and answered 220, and then nothing comes.
    Silent,
}

impl Host {
    /// All mail servers.
    pub(super) fn all() -> Result<Vec<Host>, LabError> {
        let table: BTreeMap<String, Behaviour> =
            toml::from_str(world::SMTP).map_err(|why| LabError::File { file: "smtp.toml", why: why.to_string() })?;
        let bag = Mailbag::default();
        let host =
            |(name, does): (String, Behaviour)| Host { name: name.into(), does: Arc::new(does), bag: bag.clone() };
        Ok(table.into_iter().map(host).collect())
    }

    /// What all of them took.
    pub(super) fn bag(&self) -> Mailbag {
        self.bag.clone()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn ports(&self) -> Vec<u16> {
        if self.does.ports.is_empty() { vec![25] } else { self.does.ports.clone() }
    }

    pub(super) fn listens(&self) -> bool {
        !self.does.absent
    }

    fn banner(&self) -> String {
        let own = self.does.banner.clone();
        own.unwrap_or_else(|| format!("220 {} ESMTP ready", self.name)).repeat_lines(self.does.banner_repeat)
    }

    fn greeting(&self, in_tls: bool) -> String {
        if let Some(own) = &self.does.ehlo {
            return own.clone();
        }
        let modern = ["PIPELINING", "SIZE 36700160", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8"];
        let mut lines = vec![self.name.to_string()];
        match &self.does.offers {
            Some(offers) => lines.extend(offers.iter().cloned()),
            None => lines.extend(modern.map(str::to_owned)),
        }
        match in_tls {
            true => lines.extend(self.does.offers_in_tls.iter().cloned()),
            false if self.does.starttls != StartTls::Missing => lines.push("STARTTLS".to_owned()),
            false => {}
        }
        let last = lines.len().saturating_sub(1);
        let mark = |at| if at == last { ' ' } else { '-' };
        lines.iter().enumerate().map(|(at, line)| format!("250{}{line}", mark(at))).collect::<Vec<_>>().join("\n")
    }
}

trait RepeatLines {
    fn repeat_lines(self, times: Option<usize>) -> String;
}

impl RepeatLines for String {
    fn repeat_lines(self, times: Option<usize>) -> String {
        match times {
            Some(times) => vec![self.as_str(); times].join("\n"),
            None => self,
        }
    }
}

/// Answers connections to one port until it is dropped.
pub(super) async fn serve(host: Host, port: u16, listener: TcpListener) {
    let mut open = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        while open.try_join_next().is_some() {}
        let host = host.clone();
        open.spawn(tokio::time::timeout(PATIENCE, async move {
            stream.set_nodelay(true)?;
            if port == 465 {
                let stream = acceptor(&host)?.accept(stream).await?;
                return Session { host: &host, stream: BufReader::new(stream), in_tls: true }.whole().await;
            }
            let mut session = Session { host: &host, stream: BufReader::new(stream), in_tls: false };
            session.greet().await?;
            if session.talk().await? == End::StartTls {
                let stream = acceptor(&host)?.accept(session.stream.into_inner()).await?;
                Session { host: &host, stream: BufReader::new(stream), in_tls: true }.talk().await?;
            }
            Ok::<(), std::io::Error>(())
        }));
    }
}

fn acceptor(host: &Host) -> std::io::Result<TlsAcceptor> {
    let config = tls::config(Some(host.name()));
    config.map(TlsAcceptor::from).ok_or_else(|| std::io::Error::other("no TLS configuration"))
}

/// How a conversation on one stream ended.
#[derive(PartialEq, Eq)]
enum End {
    Closed,
    StartTls,
}

struct Session<'a, S> {
    host: &'a Host,
    stream: BufReader<S>,
    in_tls: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<'_, S> {
    async fn whole(mut self) -> std::io::Result<()> {
        self.greet().await?;
        self.talk().await.map(drop)
    }

    async fn greet(&mut self) -> std::io::Result<()> {
        let does = &self.host.does;
        if does.silent {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(does.banner_delay_ms)).await;
        if let Some(endless) = does.endless {
            let text = match endless {
                Endless::Lines => "220-and another thing\r\n",
                Endless::Line => "220-and another thing ",
            };
            // the client stops reading, or PATIENCE ends
            loop {
                self.stream.write_all(text.repeat(512).as_bytes()).await?;
            }
        }
        self.write(&self.host.banner()).await?;
        if does.hang_up {
            self.stream.shutdown().await?;
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    async fn talk(&mut self) -> std::io::Result<End> {
        let does = self.host.does.clone();
        let (mut sender, mut recipients): (bool, Vec<String>) = (false, Vec::new());
        loop {
            let mut line = Vec::new();
            if (&mut self.stream).take(MAX_LINE).read_until(b'\n', &mut line).await? == 0 {
                return Ok(End::Closed);
            }
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let own = |reply: &Option<String>, usual: &str| reply.clone().unwrap_or_else(|| usual.to_owned());
            tokio::time::sleep(Duration::from_millis(does.reply_delay_ms)).await;
            if does.hang_up_at.as_deref() == Some(verb.as_str()) {
                return Ok(End::Closed);
            }
            let reply = match verb.as_str() {
                "LHLO" if does.lmtp => self.host.greeting(self.in_tls),
                "EHLO" | "HELO" if does.lmtp => "500 5.5.1 this is LMTP: say LHLO".to_owned(),
                "EHLO" => self.host.greeting(self.in_tls),
                "HELO" => format!("250 {}", self.host.name),
                "STARTTLS" if self.in_tls => "503 5.5.1 TLS is already on".to_owned(),
                "STARTTLS" => match does.starttls {
                    StartTls::Missing => "502 5.5.1 command not implemented".to_owned(),
                    StartTls::Temporary => "454 4.7.0 TLS not available due to local problem".to_owned(),
                    StartTls::Works => {
                        self.write("220 2.0.0 ready to start TLS").await?;
                        return Ok(End::StartTls);
                    }
                    StartTls::Garbage => {
                        self.write("220 2.0.0 ready to start TLS").await?;
                        // Behind the first bytes of the handshake: before, it would be early talk.
                        let _ = self.stream.read(&mut [0; 512]).await?;
                        self.write("this is no TLS handshake, whatever you expected").await?;
                        return Ok(End::Closed);
                    }
                    StartTls::Closes => {
                        self.write("220 2.0.0 ready to start TLS").await?;
                        self.stream.shutdown().await?;
                        return Ok(End::Closed);
                    }
                    StartTls::Silent => {
                        self.write("220 2.0.0 ready to start TLS").await?;
                        std::future::pending::<()>().await;
                        continue;
                    }
                },
                "MAIL" => {
                    let reply = own(&does.mail, "250 2.1.0 Ok");
                    (sender, recipients) = (reply.starts_with('2'), Vec::new());
                    reply
                }
                "RCPT" if !sender => "503 5.5.1 MAIL first".to_owned(),
                "RCPT" => {
                    let reply = own(&does.rcpt, "250 2.1.5 Ok");
                    if reply.starts_with('2') {
                        recipients.push(line.to_ascii_lowercase());
                    }
                    reply
                }
                "DATA" if recipients.is_empty() => "503 5.5.1 RCPT first".to_owned(),
                "DATA" => {
                    self.write("354 end data with <CR><LF>.<CR><LF>").await?;
                    self.take_message().await?;
                    let usual = own(&does.data, "250 2.0.0 Ok: taken and forgotten");
                    sender = false;
                    let recipients = std::mem::take(&mut recipients);
                    if does.lmtp {
                        let full = |one: &String| one.contains("<full@");
                        let reply =
                            |one| if full(one) { "452 4.2.2 the mailbox is full".to_owned() } else { usual.clone() };
                        recipients.iter().map(reply).collect::<Vec<_>>().join("\n")
                    } else {
                        usual
                    }
                }
                "RSET" => {
                    (sender, recipients) = (false, Vec::new());
                    "250 2.0.0 Ok".to_owned()
                }
                "NOOP" => "250 2.0.0 Ok".to_owned(),
                "VRFY" => "252 2.1.5 try and see".to_owned(),
                "AUTH" => "535 5.7.8 authentication credentials invalid".to_owned(),
                "QUIT" => {
                    self.write(&format!("221 2.0.0 {} closing connection", self.host.name)).await?;
                    self.stream.shutdown().await?;
                    return Ok(End::Closed);
                }
                _ => "500 5.5.2 command not recognized".to_owned(),
            };
            self.write(&reply).await?;
            if let Some(chatter) = &does.chatter {
                self.write(chatter).await?;
            }
        }
    }

    /// Reads a message to its end, CR LF dot CR LF and nothing looser.
    async fn take_message(&mut self) -> std::io::Result<()> {
        let (mut size, mut wire, mut line) = (0, Vec::new(), Vec::new());
        let mut whole = true;
        while size < MAX_DATA {
            line.clear();
            let read = self.stream.read_until(b'\n', &mut line).await?;
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if whole && line == b".\r\n" {
                let mut bag = self.host.bag.lock().unwrap_or_else(PoisonError::into_inner);
                bag.push_back(Taken { host: self.host.name.to_string(), wire });
                if bag.len() > KEPT.0 {
                    bag.pop_front();
                }
                return Ok(());
            }
            whole = line.ends_with(b"\r\n");
            size += read;
            let room = KEPT.1.saturating_sub(wire.len()).min(line.len());
            wire.extend_from_slice(line.get(..room).unwrap_or_default());
        }
        Err(std::io::ErrorKind::FileTooLarge.into())
    }

    async fn write(&mut self, reply: &str) -> std::io::Result<()> {
        let does = &self.host.does;
        for (at, line) in reply.split('\n').enumerate() {
            if at > 0 && does.line_delay_ms > 0 {
                self.stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(does.line_delay_ms)).await;
            }
            let bytes = format!("{line}\r\n").into_bytes();
            if does.byte_delay_ms == 0 {
                self.stream.write_all(&bytes).await?;
                continue;
            }
            for byte in bytes {
                self.stream.write_all(&[byte]).await?;
                self.stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(does.byte_delay_ms)).await;
            }
        }
        self.stream.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::super::bundle;
    use super::*;

    #[test]
    fn each_server_that_speaks_tls_has_a_certificate() {
        for host in Host::all().unwrap() {
            let does = &host.does;
            let speaks = !does.absent && !does.silent && !does.hang_up && does.endless.is_none();
            if speaks
                && does.starttls == StartTls::Works
                && does.banner_repeat.is_none()
                && does.hang_up_at.as_deref() != Some("EHLO")
                && !host.name.contains("garbage")
            {
                assert!(bundle::entry(world::TLS, &host.name).is_some(), "{} has none in tls.pem", host.name);
            }
        }
    }
}
