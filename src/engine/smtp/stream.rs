//! The connection in the clear or inside TLS, read line by line within bounds: one byte a packet, lines without end and
//! half a line at the end are all ordinary here.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::check::LineEnding;
use crate::engine::tls;

/// The longest line that is kept; a longer one is cut there and its rest dropped (RFC 5321 allows 512 bytes in a reply).
const MAX_LINE: usize = 4096;
/// How much is read at once.
const CHUNK: usize = 16 * 1024;

/// A connection.
pub(super) enum Stream {
    /// Without TLS.
    Clear(TcpStream, Lines),
    /// Inside TLS.
    Tls(Box<TlsStream<TcpStream>>, Lines),
    /// Of no use any more; a new one is about to be made.
    Ended,
}

/// What came from the server.
pub(super) enum Got {
    /// Whole lines (perhaps none yet), and how many bytes were read.
    Lines(Vec<(Vec<u8>, LineEnding)>, usize),
    /// The end, and a line that was not finished.
    Closed {
        /// The unfinished line.
        rest: Vec<u8>,
        /// Whether it was a reset.
        reset: bool,
    },
    /// TLS cannot go on, and a line that was not finished.
    TlsBroken {
        /// The unfinished line.
        rest: Vec<u8>,
        /// Why, in words.
        why: String,
    },
}

impl Stream {
    pub(super) fn clear(socket: TcpStream) -> Stream {
        Stream::Clear(socket, Lines::default())
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>) -> Stream {
        Stream::Tls(Box::new(stream), Lines::default())
    }

    /// The socket, and what stands in the buffer unread; `None` inside TLS.
    pub(super) fn into_clear(self) -> Option<(TcpStream, Vec<u8>)> {
        match self {
            Stream::Clear(socket, lines) => Some((socket, lines.pending)),
            Stream::Tls(..) | Stream::Ended => None,
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Stream::Clear(socket, _) => socket.write_all(bytes).await,
            Stream::Tls(stream, _) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
            Stream::Ended => Err(std::io::ErrorKind::NotConnected.into()),
        }
    }

    /// Asks the kernel to acknowledge what comes without delay. A server with Nagle's algorithm (Postfix) sends its TLS 1.3
    /// tickets and holds its next reply until they are acknowledged; a delayed acknowledgement makes that 40 ms, and the
    /// stages shown would be ours, not the server's.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn acknowledge_at_once(&self) {
        let socket = match self {
            Stream::Clear(socket, _) => socket,
            Stream::Tls(stream, _) => stream.get_ref().0,
            Stream::Ended => return,
        };
        // The kernel goes back to delaying by itself, so it is asked before each read; refused, we are only slower.
        let _ = socket.set_quickack(true);
    }

    /// Other systems have no such switch.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn acknowledge_at_once(&self) {}

    /// Waits for the next bytes. Cancelling it loses nothing.
    pub(super) async fn read(&mut self) -> Got {
        self.acknowledge_at_once();
        let mut chunk = [0; CHUNK];
        let (read, lines) = match self {
            Stream::Clear(socket, lines) => (socket.read(&mut chunk).await, lines),
            Stream::Tls(stream, lines) => (stream.read(&mut chunk).await, lines),
            Stream::Ended => return Got::Closed { rest: Vec::new(), reset: false },
        };
        match read {
            Ok(0) => Got::Closed { rest: std::mem::take(&mut lines.pending), reset: false },
            Ok(n) => Got::Lines(lines.push(chunk.get(..n).unwrap_or_default()), n),
            Err(why) => {
                let rest = std::mem::take(&mut lines.pending);
                if let Some(error) = tls::within(&why) {
                    return Got::TlsBroken { rest, why: tls::broken(error) };
                }
                // A server that closes TLS without a close_notify has closed, not reset.
                Got::Closed { rest, reset: why.kind() == std::io::ErrorKind::ConnectionReset }
            }
        }
    }
}

/// Bytes that become lines.
#[derive(Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
    /// The rest of a line that was cut is dropped until it ends.
    dropping: bool,
}

impl Lines {
    fn push(&mut self, mut bytes: &[u8]) -> Vec<(Vec<u8>, LineEnding)> {
        let mut lines = Vec::new();
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = bytes.split_at(at + 1);
            self.pending.extend_from_slice(head);
            bytes = tail;
            let mut line = std::mem::take(&mut self.pending);
            if std::mem::take(&mut self.dropping) {
                continue;
            }
            line.pop();
            let ending = if line.last() == Some(&b'\r') { LineEnding::CrLf } else { LineEnding::Lf };
            if ending == LineEnding::CrLf {
                line.pop();
            }
            lines.push(cut(line, ending));
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() > MAX_LINE {
            let line = std::mem::take(&mut self.pending);
            if !std::mem::replace(&mut self.dropping, true) {
                lines.push(cut(line, LineEnding::Cut));
            }
        }
        lines
    }
}

fn cut(mut line: Vec<u8>, ending: LineEnding) -> (Vec<u8>, LineEnding) {
    if line.len() > MAX_LINE {
        line.truncate(MAX_LINE);
        return (line, LineEnding::Cut);
    }
    (line, ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_whole_however_they_arrive() {
        let mut lines = Lines::default();
        let got: Vec<_> = b"220 a\r\n250 b\n25".chunks(1).flat_map(|byte| lines.push(byte)).collect();
        assert_eq!(got, [(b"220 a".to_vec(), LineEnding::CrLf), (b"250 b".to_vec(), LineEnding::Lf)]);
        assert_eq!(lines.pending, b"25");
    }

    #[test]
    fn a_line_without_end_is_cut_once_and_memory_stays_flat() {
        let mut lines = Lines::default();
        let mut got = Vec::new();
        for _ in 0..1000 {
            got.extend(lines.push(&[b'a'; 10_000]));
            assert!(lines.pending.len() <= MAX_LINE);
        }
        got.extend(lines.push(b"\r\n220 next\r\n"));
        assert_eq!(got.len(), 2);
        assert_eq!((got[0].0.len(), got[0].1), (MAX_LINE, LineEnding::Cut));
        assert_eq!(got[1].0, b"220 next");
    }
}
