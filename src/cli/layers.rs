//! What is set where: defaults < file < environment < flags. Here are the two in the middle; each value remembers where it
//! was set, so that a mistake is told where it was made.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::failure::Failure;

/// What a file or the environment may set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layers {
    /// Name servers, with where they were set.
    pub dns: Vec<Set<String>>,
    /// DKIM selectors to ask besides the well-known ones.
    pub selectors: Vec<String>,
    /// Seconds for one question.
    pub timeout: Option<Set<f64>>,
    /// The name of the colour theme.
    pub theme: Option<Set<String>>,
    /// Whether nothing is remembered from run to run.
    pub forget: bool,
}

/// A value and where it was set: the path of the file, or the variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Set<T> {
    /// The value.
    pub value: T,
    /// Where it was set.
    pub at: String,
}

/// The configuration file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    dns: Vec<String>,
    #[serde(default)]
    selectors: Vec<String>,
    timeout: Option<f64>,
    theme: Option<String>,
    remember: Option<bool>,
}

impl Layers {
    /// Reads the file and then the environment over it.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Layers, Failure> {
        let named = variable("MXRAY_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
        let must_exist = named.is_some();
        let layers = match named.or_else(default_path) {
            Some(path) => Layers::of_file(&path, must_exist)?,
            None => Layers::default(),
        };
        layers.under_environment(variable)
    }

    fn of_file(path: &Path, must_exist: bool) -> Result<Layers, Failure> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => return Ok(Layers::default()),
            Err(error) => return Err(Failure::Usage(format!("cannot read {}: {error}", path.display()))),
        };
        let at = path.display().to_string();
        let file: File = toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| text.get(..span.start).unwrap_or("").matches('\n').count() + 1);
            let line = line.map_or_else(String::new, |line| format!(" line {line}"));
            Failure::Usage(format!("{at}{line}: {}", error.message()))
        })?;
        Ok(Layers {
            dns: file.dns.into_iter().map(|value| Set { value, at: at.clone() }).collect(),
            selectors: file.selectors,
            timeout: file.timeout.map(|value| Set { value, at: at.clone() }),
            theme: file.theme.map(|value| Set { value, at }),
            forget: file.remember == Some(false),
        })
    }

    fn under_environment(mut self, variable: impl Fn(&str) -> Option<String>) -> Result<Layers, Failure> {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let words = |text: String| -> Vec<String> {
            text.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        if let Some(servers) = set("MXRAY_DNS") {
            self.dns = words(servers).into_iter().map(|value| Set { value, at: "MXRAY_DNS".to_owned() }).collect();
        }
        if let Some(selectors) = set("MXRAY_SELECTORS") {
            self.selectors = words(selectors);
        }
        if let Some(theme) = set("MXRAY_THEME") {
            self.theme = Some(Set { value: theme, at: "MXRAY_THEME".to_owned() });
        }
        if let Some(remember) = set("MXRAY_REMEMBER") {
            self.forget = matches!(remember.trim(), "0" | "no" | "false" | "never");
        }
        if let Some(seconds) = set("MXRAY_TIMEOUT") {
            let value = seconds
                .trim()
                .parse()
                .map_err(|_| Failure::Usage(format!("MXRAY_TIMEOUT: {seconds} is not a number of seconds")))?;
            self.timeout = Some(Set { value, at: "MXRAY_TIMEOUT".to_owned() });
        }
        Ok(self)
    }
}

/// `~/.config/mxray/config.toml`, or where the platform keeps such files.
pub fn default_path() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "mxray").map(|dirs| dirs.config_dir().join("config.toml"))
}

/// `~/.local/state/mxray/`, or where the platform keeps what programs note for themselves.
pub fn state_folder() -> Option<PathBuf> {
    let dirs = directories::ProjectDirs::from("", "", "mxray")?;
    // Only Linux has a directory for state; elsewhere it lies beside the program's other files.
    Some(dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn read(path: &Path, variables: &[(&str, &str)]) -> Result<Layers, Failure> {
        Layers::read(|name| match name {
            "MXRAY_CONFIG" => Some(path.display().to_string()),
            _ => variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()),
        })
    }

    #[test]
    fn the_environment_goes_over_the_file() {
        let file = file("dns = [\"192.0.2.1\"]\nselectors = [\"s1\"]\ntimeout = 2\ntheme = \"mono\"\n");
        let layers = read(file.path(), &[("MXRAY_DNS", "192.0.2.2, 192.0.2.3"), ("MXRAY_TIMEOUT", "")]).unwrap();
        let dns: Vec<_> = layers.dns.iter().map(|set| (set.value.as_str(), set.at.as_str())).collect();
        assert_eq!(dns, [("192.0.2.2", "MXRAY_DNS"), ("192.0.2.3", "MXRAY_DNS")]);
        assert_eq!((layers.selectors, layers.timeout.unwrap().value), (vec!["s1".to_owned()], 2.0));
    }

    #[test]
    fn a_mistake_is_told_where_it_was_made() {
        let file = file("theme = \"mono\"\n\nsector = [\"s1\"]\n");
        let says = read(file.path(), &[]).unwrap_err().to_string();
        assert!(says.contains("line 3") && says.contains("sector") && says.contains("selectors"), "{says}");
        let says = read(Path::new("/no/such/config.toml"), &[]).unwrap_err().to_string();
        assert!(says.contains("/no/such/config.toml"), "{says}");
    }
}
