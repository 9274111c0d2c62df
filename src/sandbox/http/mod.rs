//! The HTTP side: listening, who may call what, faults, conditional requests, and the answer's form.

mod answer;
mod auth;
mod body;
mod call;
mod conn;
mod reply;
mod routes;
mod serve;

pub use answer::RequestInfo;
pub(super) use call::{Call, Caller};
pub(super) use reply::{Answer, Body, Refused, Reply};
pub(super) use routes::{Field, Is, Needs, Route};
pub(super) use serve::{Server, Shared, start};

/// Percent-encodes everything but unreserved characters.
pub(super) fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Undoes percent-encoding; what is not a valid escape stays.
pub(super) fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let pair = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.filter(|_| byte == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(value) => {
                out.push(value);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn escapes_round_trip() {
        assert_eq!(super::decode(&super::encode("a/b ü%+")), "a/b ü%+");
        assert_eq!(super::decode("%zz%2"), "%zz%2");
    }
}
