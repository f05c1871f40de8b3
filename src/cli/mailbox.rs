//! One message of a mailbox file, by its number. The mailbox is read whole, within the bound of a message file.

use std::path::Path;
use std::sync::Arc;

use super::failure::Failure;
use crate::message::mbox_entries;

/// The message of this number, counted from 1, with its separator line, so that what a mailbox did to it is undone.
pub fn pick(raw: &Arc<[u8]>, number: usize, path: &Path) -> Result<Arc<[u8]>, Failure> {
    let entries = mbox_entries(raw);
    let found = entries.get(number.wrapping_sub(1)).and_then(|entry| entry.of(raw));
    match (found, entries.len()) {
        (Some(message), _) => Ok(message.into()),
        (None, 0) if number == 1 => Ok(raw.clone()),
        (None, 0) => {
            Err(Failure::Job(format!("{}: --message {number}: this is one message, no mailbox", path.display())))
        }
        (None, count) => Err(Failure::Job(format!(
            "{}: --message {number}: the mailbox has {count} {}; without --message they are listed",
            path.display(),
            if count == 1 { "message" } else { "messages" }
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: &str = "From a@x Tue\nFrom: a@x.example\n\n>From one\n\nFrom b@x Tue\nFrom: b@x.example\n\ntwo\n";

    fn picked(raw: &str, number: usize) -> Result<String, String> {
        pick(&Arc::from(raw.as_bytes()), number, Path::new("box"))
            .map(|raw| String::from_utf8_lossy(&raw).into_owned())
            .map_err(|why| why.to_string())
    }

    #[test]
    fn a_number_picks_its_message_with_the_separator() {
        assert_eq!(picked(BOX, 1).unwrap(), "From a@x Tue\nFrom: a@x.example\n\n>From one\n");
        assert_eq!(picked(BOX, 2).unwrap(), "From b@x Tue\nFrom: b@x.example\n\ntwo\n");
        assert_eq!(picked("From: a@x.example\n\nhi\n", 1).unwrap(), "From: a@x.example\n\nhi\n");
    }

    #[test]
    fn a_number_that_is_not_there_says_how_many_there_are() {
        assert_eq!(
            picked(BOX, 3).unwrap_err(),
            "box: --message 3: the mailbox has 2 messages; without --message they are listed"
        );
        assert!(picked(BOX, 0).unwrap_err().contains("has 2 messages"));
        assert!(picked("From: a@x.example\n\nhi\n", 2).unwrap_err().contains("this is one message"));
    }
}
