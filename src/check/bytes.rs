//! Bytes in JSON: each byte is the character of the same number, so what is ASCII stays readable, every byte survives, and
//! nothing depends on what the bytes mean. Used where answers are kept in case files.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes bytes as text.
pub fn serialize<S: Serializer>(bytes: &impl AsRef<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    text(bytes.as_ref()).serialize(serializer)
}

/// Reads text as bytes; a character above U+00FF is an error.
pub fn deserialize<'de, D: Deserializer<'de>, T: From<Vec<u8>>>(deserializer: D) -> Result<T, D::Error> {
    bytes(&String::deserialize(deserializer)?).map(T::from)
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn bytes<E: serde::de::Error>(text: &str) -> Result<Vec<u8>, E> {
    let byte = |c| u8::try_from(u32::from(c)).map_err(|_| E::custom(format!("{c:?} stands for no byte")));
    text.chars().map(byte).collect()
}

/// Several runs of bytes.
pub mod list {
    use super::{Deserialize, Deserializer, Serializer, bytes, text};

    /// Writes each as text.
    pub fn serialize<S: Serializer, T: AsRef<[u8]>>(list: &[T], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(list.iter().map(|item| text(item.as_ref())))
    }

    /// Reads each from text.
    pub fn deserialize<'de, D: Deserializer<'de>, T: From<Vec<u8>>>(deserializer: D) -> Result<Vec<T>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| bytes(text).map(T::from)).collect()
    }
}

/// Bytes that may be missing.
pub mod option {
    use super::{Deserialize, Deserializer, Serialize, Serializer, bytes, text};

    /// Writes them as text, or null.
    pub fn serialize<S: Serializer, T: AsRef<[u8]>>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(|value| text(value.as_ref())).serialize(serializer)
    }

    /// Reads them from text, or null.
    pub fn deserialize<'de, D: Deserializer<'de>, T: From<Vec<u8>>>(deserializer: D) -> Result<Option<T>, D::Error> {
        Option::<String>::deserialize(deserializer)?.map(|text| bytes(&text).map(T::from)).transpose()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_byte_survives() {
        let all: Vec<u8> = (0..=255).collect();
        let back = super::bytes::<serde_json::Error>(&super::text(&all)).unwrap();
        assert_eq!(back, all);
        assert!(super::bytes::<serde_json::Error>("\u{100}").is_err());
    }
}
