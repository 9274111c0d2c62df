//! The signature of a webhook: HMAC-SHA256 over the raw bytes, compared in constant time.
//!
//! Invariants: only `sha256=` and 64 hexadecimal digits are looked at (`sha1=` and bare digests never pass); every secret
//! is tried, so that a secret can be rotated without losing a delivery; no secret is ever printed.
//! Source: GitHub, "Validating webhook deliveries".

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The secrets under which GitHub may sign, keyed once so that a request costs one pass over its body.
#[derive(Clone)]
pub struct Secrets(Vec<Hmac<Sha256>>);

impl Secrets {
    /// Empty secrets are left out; `None` if nothing is left, because then nobody could ever be trusted.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let keyed: Vec<_> = secrets
            .into_iter()
            .filter(|secret| !secret.is_empty())
            .filter_map(|secret| Hmac::new_from_slice(secret.as_bytes()).ok())
            .collect();
        (!keyed.is_empty()).then_some(Self(keyed))
    }

    /// Whether `header` (the value of `X-Hub-Signature-256`) signs exactly these bytes.
    pub fn verify(&self, header: &[u8], body: &[u8]) -> bool {
        let Some(claimed) = digest(header) else { return false };
        self.0.iter().any(|keyed| keyed.clone().chain_update(body).verify_slice(&claimed).is_ok())
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({} hidden)", self.0.len())
    }
}

/// Whether a header could be a signature at all; if not, its body need not be kept.
pub fn looks_signed(header: &[u8]) -> bool {
    digest(header).is_some()
}

fn digest(header: &[u8]) -> Option<[u8; 32]> {
    let hex = header.strip_prefix(b"sha256=")?;
    if hex.len() != 64 {
        return None;
    }
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(out)
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of GitHub's documentation.
    const SIGNED: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    const BODY: &[u8] = b"Hello, World!";

    fn secrets(list: &[&str]) -> Secrets {
        Secrets::new(list.iter().copied()).unwrap()
    }

    #[test]
    fn the_documented_example_passes() {
        assert!(secrets(&["It's a Secret to Everybody"]).verify(SIGNED.as_bytes(), BODY));
    }

    #[test]
    fn any_secret_of_a_rotation_passes_and_no_other() {
        assert!(secrets(&["new", "It's a Secret to Everybody"]).verify(SIGNED.as_bytes(), BODY));
        assert!(!secrets(&["new", "newer"]).verify(SIGNED.as_bytes(), BODY));
    }

    #[test]
    fn everything_else_is_refused() {
        let known = secrets(&["It's a Secret to Everybody"]);
        let bare = &SIGNED[7..];
        let cases = [
            String::new(),
            bare.to_owned(),
            format!("sha1={bare}"),
            format!("SHA256={bare}"),
            format!("sha256={}", &bare[..62]),
            format!("sha256={bare}00"),
            format!("sha256= {bare}"),
            format!("sha256={}", bare.replace('7', "g")),
            format!("sha256={}", bare.replace('7', "8")),
        ];
        for header in cases {
            assert!(!known.verify(header.as_bytes(), BODY), "{header}");
        }
        assert!(!known.verify(SIGNED.as_bytes(), b"Hello, World"));
    }

    #[test]
    fn empty_secrets_are_no_secrets() {
        assert!(Secrets::new([""]).is_none());
        assert_eq!(format!("{:?}", secrets(&["hush", ""])), "Secrets(1 hidden)");
    }
}
