//! The person's editor: a text in a file that only they can read, the editor over it in the terminal that the screen has
//! given back, and the text again.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tokio::process::Command;

/// No person writes a longer message than this.
const LONGEST: u64 = 64 * 1024 * 1024;

/// The editor that the environment names, as a command line of the shell: `$VISUAL`, then `$EDITOR`.
pub fn command() -> Option<String> {
    ["VISUAL", "EDITOR"].into_iter().filter_map(|key| std::env::var(key).ok()).find(|line| !line.trim().is_empty())
}

/// Lets the person write, beginning with `draft`, until the editor has ended; dropped before, it ends the editor. The error is
/// a sentence.
pub async fn write(command: &str, draft: &[u8]) -> Result<Arc<[u8]>, String> {
    let folder = Folder::make().map_err(|error| format!("no file for the editor: {error}; nothing is sent"))?;
    let path = folder.0.join("message.eml");
    let lost = |error: std::io::Error| format!("{}: {error}; nothing is sent", path.display());
    create(&path, draft).map_err(lost)?;
    // The editor may be a command with arguments of its own; mxray's standard input may be a message.
    let terminal =
        || OpenOptions::new().read(true).write(true).open("/dev/tty").map_or_else(|_| Stdio::inherit(), Stdio::from);
    let status = Command::new("sh")
        .args(["-c", &format!("{command} \"$1\""), "mxray"])
        .arg(&path)
        .stdin(terminal())
        .kill_on_drop(true)
        .status()
        .await
        .map_err(|error| format!("{command}: {error}; nothing is sent"))?;
    if !status.success() {
        return Err(format!("the editor ({command}) ended with {status}; nothing is sent"));
    }
    let mut text = Vec::new();
    std::fs::File::open(&path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut text)).map_err(lost)?;
    if text.len() as u64 > LONGEST {
        return Err(format!("the text is longer than {} MiB; nothing is sent", LONGEST >> 20));
    }
    if text.is_empty() {
        return Err("the editor left an empty text; nothing is sent".to_owned());
    }
    Ok(Arc::from(text))
}

fn create(path: &Path, text: &[u8]) -> std::io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(text)
}

/// A folder that only the person can enter; it goes with everything that the editor left in it.
struct Folder(PathBuf);

impl Folder {
    fn make() -> std::io::Result<Folder> {
        let base = std::env::temp_dir();
        for number in 0..100 {
            let path = base.join(format!("mxray-{}-{number}", std::process::id()));
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Folder(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(std::io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now is the system's to tidy.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_text_comes_back_and_the_file_goes() {
        let seen = std::env::temp_dir().join(format!("mxray-test-editor-{}", std::process::id()));
        let editor =
            format!("f() {{ ls -l \"$1\" > {0}; echo \"$1\" >> {0}; printf 'hi\\n' >> \"$1\"; }}; f", seen.display());
        let text = write(&editor, b"From: a@b\n\n").await.unwrap();
        assert_eq!(&*text, b"From: a@b\n\nhi\n");
        let told = std::fs::read_to_string(&seen).unwrap();
        assert!(told.starts_with("-rw-------"), "{told}");
        assert!(!Path::new(told.lines().last().unwrap()).exists());
        std::fs::remove_file(&seen).unwrap();
    }

    #[tokio::test]
    async fn an_editor_that_fails_or_empties_the_text_sends_nothing() {
        assert!(write("false", b"x").await.unwrap_err().contains("exit status: 1"));
        assert!(write("/nonexistent/editor", b"x").await.unwrap_err().contains("127"));
        assert!(write("f() { : > \"$1\"; }; f", b"x").await.unwrap_err().contains("empty text; nothing is sent"));
        assert_eq!(&*write("true", b"x").await.unwrap(), b"x");
    }
}
