//! A mail server that keeps what it is sent, byte for byte: plain blocking SMTP.

use std::io::{BufRead, Write};

/// An SMTP server that keeps every byte of a message, and what it was told besides.
pub fn keeper(offers: &'static str) -> (String, std::sync::mpsc::Receiver<Vec<u8>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = listener.local_addr().expect("an address").to_string();
    // A test sends one message or two.
    let (sender, kept) = std::sync::mpsc::sync_channel(8);
    std::thread::spawn(move || {
        while let Ok((mut socket, _)) = listener.accept() {
            let mut reader = std::io::BufReader::new(socket.try_clone().expect("a socket"));
            let _ = socket.write_all(b"220 keeper.example\r\n");
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
                let reply = match verb.as_slice() {
                    b"EHLO" => format!("250-keeper.example\r\n{offers}250 HELP\r\n"),
                    b"DATA" => "354 go\r\n".to_owned(),
                    b"QUIT" => "221 bye\r\n".to_owned(),
                    _ => "250 ok\r\n".to_owned(),
                };
                let _ = socket.write_all(reply.as_bytes());
                if verb == b"DATA" {
                    let mut message = Vec::new();
                    while !message.ends_with(b"\r\n.\r\n") && message != b".\r\n" {
                        if !reader.read_until(b'\n', &mut message).is_ok_and(|read| read > 0) {
                            return;
                        }
                    }
                    let _ = sender.send(message);
                    let _ = socket.write_all(b"250 2.0.0 kept\r\n");
                }
                line.clear();
            }
        }
    });
    (target, kept)
}
