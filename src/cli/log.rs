//! The log that `-v` asks for: into a file, never onto the screen or among the results.

use std::path::PathBuf;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;

use super::failure::Failure;

/// Opens the log: `$MXRAY_LOG`, else `mxray.log` in the state directory. One `-v` tells what mxray does, two what its
/// libraries do as well.
pub fn open(verbose: u8) -> Result<(), Failure> {
    let Some(path) = path() else {
        return Err(Failure::Job("cannot log: there is no home directory; name a file in MXRAY_LOG".to_owned()));
    };
    let parent = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let file = parent
        .and_then(|()| std::fs::OpenOptions::new().create(true).append(true).open(&path))
        .map_err(|error| Failure::file("write the log", &path, &error))?;
    let filter = EnvFilter::new(if verbose > 1 { "debug" } else { "warn,mxray=debug" });
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(file));
    log.try_init().map_err(|error| Failure::Job(format!("cannot log: {error}")))
}

fn path() -> Option<PathBuf> {
    let named = std::env::var_os("MXRAY_LOG").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(super::layers::state_folder()?.join("mxray.log")))
}
