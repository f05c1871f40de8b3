//! A message in chunks whose length is said before (BDAT, RFC 3030): nothing in them is an end, so nothing can be smuggled.

use super::body::Body;
use super::server::{Mode, Server};

/// A chunk that is coming in.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Bytes that are still to come.
    pub left: u64,
    /// Bytes in all.
    pub size: u64,
    /// Whether it ends the message.
    pub last: bool,
    /// It is read and dropped, and answered so.
    pub refusal: Option<String>,
}

impl Server {
    pub(super) fn begin_chunk(&mut self, chunk: Chunk) {
        let most = self.most();
        if let Some(mail) = self.mail.as_mut().filter(|_| chunk.refusal.is_none()) {
            mail.chunks.get_or_insert_with(|| Body::new(most));
        }
        self.mode = Mode::Chunk(chunk);
        // BDAT 0 LAST has nothing to wait for.
        self.chunk(&[]);
    }

    /// Takes what belongs to the chunk; how much that was.
    pub(super) fn chunk(&mut self, bytes: &[u8]) -> usize {
        let Mode::Chunk(chunk) = &mut self.mode else { return bytes.len() };
        let used = usize::try_from(chunk.left).unwrap_or(usize::MAX).min(bytes.len());
        chunk.left -= used as u64;
        let part = bytes.get(..used).unwrap_or_default();
        if let Some(body) = self.mail.as_mut().and_then(|mail| mail.chunks.as_mut()).filter(|_| chunk.refusal.is_none())
        {
            body.take_as_is(part);
        }
        if chunk.left == 0 {
            self.chunk_ended();
        }
        used
    }

    fn chunk_ended(&mut self) {
        let Mode::Chunk(chunk) = std::mem::replace(&mut self.mode, Mode::Command) else { return };
        if let Some(refusal) = chunk.refusal {
            return self.mistake(refusal);
        }
        match self.mail.as_mut().filter(|_| chunk.last).and_then(|mail| mail.chunks.take()) {
            Some(body) => self.finish(body, true),
            None => self.say(format!("250 2.0.0 {} bytes", chunk.size)),
        }
    }
}
