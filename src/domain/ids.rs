//! Numeric and opaque identifiers. Numbers are GitHub's own: they survive renames and transfers, names do not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub u64);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id!(
    /// GitHub's id of a repository.
    RepoId
);
number_id!(
    /// GitHub's id of one installation of the App.
    InstallationId
);
number_id!(
    /// GitHub's id of an account, a bot's included.
    UserId
);

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);
        impl $name {
            /// Accepts 1 to a fixed number of ASCII letters, digits, `-`, `_`, `.` and `:`; anything else is `None`.
            pub fn parse(text: &str) -> Option<Self> {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
                (!text.is_empty() && text.len() <= $max && text.bytes().all(plain)).then(|| Self(text.to_owned()))
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                Self::parse(&text).ok_or_else(|| format!("not a valid {}", stringify!($name)))
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

text_id!(
    /// One execution of a plan; made by the engine, shown to people, part of every idempotency key.
    RunId,
    64
);
text_id!(
    /// `X-GitHub-Delivery` of one webhook request; GitHub sends a GUID.
    DeliveryId,
    128
);
text_id!(
    /// A key's public part, by which it is listed and revoked.
    KeyId,
    32
);
