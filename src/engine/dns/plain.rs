//! One try at one server over UDP or TCP. A UDP try has a socket of its own: the kernel picks a random source port and,
//! because the socket is connected, drops what comes from anybody else.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::Fault;
use super::wire::{self, Fit, Message};

const OTHER_ID: &str = "an answer with another id";

/// What a UDP try came to.
pub(super) enum Udp {
    /// A message that answers our question, whole.
    Whole(Message),
    /// Ask again over TCP: the answer was cut, or a datagram came that only looked like an answer. The socket may still
    /// bring the right one.
    AskTcp {
        /// Why, when it was no honest truncation.
        suspicion: Option<&'static str>,
    },
}

/// A UDP try under way.
pub(super) struct UdpTry {
    socket: UdpSocket,
    buffer: Vec<u8>,
    suspicious: bool,
}

impl UdpTry {
    /// Sends `query` to `server`.
    pub(super) async fn send(server: SocketAddr, query: &[u8]) -> Result<UdpTry, Fault> {
        let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
        let failed = |why: std::io::Error| Fault::no_connection("udp", server, &why);
        let socket = UdpSocket::bind(any).await.map_err(failed)?;
        socket.connect(server).await.map_err(failed)?;
        socket.send(query).await.map_err(failed)?;
        Ok(UdpTry { socket, buffer: vec![0; 4096], suspicious: false })
    }

    /// Waits for the answer. What does not fit is waited past; the first misfit asks for TCP beside it, because somebody
    /// may be guessing ids (the kernel has checked address and port already).
    pub(super) async fn receive(&mut self, server: SocketAddr, query: &[u8]) -> Result<Udp, Fault> {
        loop {
            let length = match self.socket.recv(&mut self.buffer).await {
                Ok(length) => length,
                Err(why) if why.kind() == ErrorKind::ConnectionRefused => {
                    return Err(Fault::no_connection("udp", server, &why));
                }
                Err(why) => return Err(Fault::failed(format!("udp {server}: {why}"))),
            };
            let reply = self.buffer.get(..length).unwrap_or_default();
            match wire::fit(reply, query) {
                Fit::Stranger | Fit::Unfit(_) if self.suspicious => {}
                Fit::Stranger => {
                    self.suspicious = true;
                    return Ok(Udp::AskTcp { suspicion: Some(OTHER_ID) });
                }
                Fit::Unfit(why) => {
                    self.suspicious = true;
                    return Ok(Udp::AskTcp { suspicion: Some(why) });
                }
                Fit::Ours => {
                    return match wire::read(reply) {
                        Ok(message) if message.truncated => Ok(Udp::AskTcp { suspicion: None }),
                        Ok(message) => Ok(Udp::Whole(message)),
                        // What was cut may be unreadable; what was mangled on the way comes whole over TCP.
                        Err(_) if reply.get(2).is_some_and(|flags| flags & 0x02 != 0) => {
                            Ok(Udp::AskTcp { suspicion: None })
                        }
                        Err(why) => Ok(Udp::AskTcp { suspicion: Some(why) }),
                    };
                }
            }
        }
    }
}

/// One question over a TCP connection of its own.
pub(super) async fn tcp(server: SocketAddr, query: &[u8]) -> Result<Message, Fault> {
    let mut stream = TcpStream::connect(server).await.map_err(|why| Fault::no_connection("tcp", server, &why))?;
    let _ = stream.set_nodelay(true);
    over_stream(&mut stream, query).await.map_err(|fault| fault.over(format!("tcp {server}")))
}

/// One question over an open stream: length, message (RFC 1035 §4.2.2). Over a stream nobody can forge from aside, so an
/// answer that does not fit is the server's own.
pub(super) async fn over_stream(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    query: &[u8],
) -> Result<Message, Fault> {
    let length = u16::try_from(query.len()).unwrap_or(u16::MAX);
    let framed = [&length.to_be_bytes(), query].concat();
    let broken = |why: std::io::Error| {
        Fault::failed(match why.kind() {
            ErrorKind::UnexpectedEof => "the server closed the connection before the answer was whole".to_owned(),
            ErrorKind::ConnectionReset => "the server reset the connection".to_owned(),
            _ => why.to_string(),
        })
    };
    stream.write_all(&framed).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let length = stream.read_u16().await.map_err(broken)?;
    let mut reply = vec![0; usize::from(length)];
    stream.read_exact(&mut reply).await.map_err(broken)?;
    match wire::fit(&reply, query) {
        Fit::Ours => wire::read(&reply).map_err(Fault::malformed),
        Fit::Stranger => Err(Fault::malformed(OTHER_ID)),
        Fit::Unfit(why) => Err(Fault::malformed(why)),
    }
}
