//! Signatures between Lockkeeper and deployers: HMAC-SHA256 in `X-Lockkeeper-Signature-256: sha256=<64 hexadecimal digits>`.
//!
//! A hook of the operator's has the secret that the operator wrote down. A repository's own deployer has one that follows from
//! the App's private key ([`OwnHooks`]): nothing needs to be stored or set up, and it stays the same when the repository is
//! renamed; each environment has its own, since who deploys to staging must not pass for who deploys to production. The private key and not the webhook secret, because GitHub knows that one too, and because it may be a word that
//! people can remember: whoever has a secret that follows from it could try words until one fits, and then forge webhooks.
//!
//! Invariant: what a repository learns tells nothing about the key, nor about the secret of another repository or environment; where
//! nothing secret is left of the key, there is no secret at all.

use crate::config::Secret;
use crate::domain::{EnvName, Refusal, RepoId, hex};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub const HEADER: &str = "x-lockkeeper-signature-256";

/// The header's value for these bytes.
pub fn sign(secret: &Secret, bytes: &[u8]) -> String {
    format!("sha256={}", hex(&digest(secret, bytes)))
}

/// In constant time; an empty secret signs nothing.
pub fn is_signed(secret: &Secret, header: &[u8], bytes: &[u8]) -> bool {
    let Some(digits) = header.strip_prefix(b"sha256=").filter(|digits| digits.len() == 64) else { return false };
    let Ok(text) = std::str::from_utf8(digits) else { return false };
    let pairs = (0..32).map(|i| text.get(2 * i..2 * i + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()));
    let Some(claimed) = pairs.collect::<Option<Vec<u8>>>() else { return false };
    // `from_str_radix` takes a sign, a digest has none.
    let plain = digits.iter().all(u8::is_ascii_hexdigit);
    let keyed = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes());
    plain && !secret.expose().is_empty() && keyed.is_ok_and(|mac| mac.chain_update(bytes).verify_slice(&claimed).is_ok())
}

/// What the secrets of repositories' own deployers follow from.
#[derive(Clone, Debug)]
pub struct OwnHooks(Secret);

impl OwnHooks {
    /// Line breaks and the words around a key are not part of it, so that it may come from a file or from a variable, in
    /// which it may all stand in one line.
    ///
    /// # Errors
    /// `private_key_empty`: what is between the words around it holds nothing that nobody else knows.
    pub fn of(private_key: &Secret) -> Result<Self, Refusal> {
        // Before the first marker, its words, the key, the words of the last one, the rest.
        let plain: String = private_key.expose().split("-----").nth(2).unwrap_or_default().split_whitespace().collect();
        if plain.is_empty() {
            let text = "The App's private key holds nothing between its first and its last line.";
            return Err(Refusal::operator("private_key_empty", text, "Give the key in PEM form, as GitHub gave it to you."));
        }
        Ok(Self(Secret::new(hex(&digest(&Secret::new(plain), b"lockkeeper: secrets of repositories' own deploy hooks")))))
    }

    pub fn secret(&self, repo: RepoId, environment: &EnvName) -> Secret {
        let of = format!("lockkeeper: deploy hook of repository {repo}, environment {environment}");
        Secret::new(hex(&digest(&self.0, of.as_bytes())))
    }
}

fn digest(secret: &Secret, bytes: &[u8]) -> Vec<u8> {
    // Any length is a key for HMAC.
    let keyed = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes());
    keyed.map(|mac| mac.chain_update(bytes).finalize().into_bytes().to_vec()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_fits_one_secret_and_one_text() {
        // RFC 4231, test case 2.
        let jefe = Secret::from("Jefe");
        let known = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let text = b"what do ya want for nothing?";
        assert_eq!(sign(&jefe, text), known);
        assert!(is_signed(&jefe, known.as_bytes(), text));
        assert!(is_signed(&jefe, known.to_uppercase().replace("SHA", "sha").as_bytes(), text));
        assert!(!is_signed(&jefe, known.as_bytes(), b"what"));
        assert!(!is_signed(&Secret::from("jefe"), known.as_bytes(), text));
        let empty = Secret::from("");
        assert!(!is_signed(&empty, sign(&empty, text).as_bytes(), text));
        let signs = format!("sha256={}", "+1".repeat(32));
        for bad in ["", "sha256=", "sha1=00", &known[..70], &signs, "sha256=ééééééééééééééééééééééééééééééééé"]
        {
            assert!(!is_signed(&jefe, bad.as_bytes(), text), "{bad}");
        }
    }

    #[test]
    fn each_repository_has_its_own_secret_however_the_key_is_written() {
        let pem = "-----BEGIN PRIVATE KEY-----\nabcd\nefgh\n-----END PRIVATE KEY-----\n";
        let of = |pem: &str| OwnHooks::of(&Secret::from(pem));
        let secret =
            |pem: &str, repo, environment| of(pem).unwrap().secret(RepoId(repo), &EnvName::parse(environment).unwrap());
        let first = secret(pem, 1, "staging");
        for same in [pem.replace('\n', "\r\n"), pem.trim().to_owned(), pem.replace('\n', " "), pem.replace('\n', "")] {
            assert_eq!(secret(&same, 1, "staging"), first, "{same}");
        }
        assert_ne!(secret(pem, 2, "staging"), first);
        assert_ne!(secret(pem, 1, "production"), first);
        assert_ne!(secret(&pem.replace("efgh", "efgi"), 1, "staging"), first);
        assert_ne!(secret(&pem.replace("efgh", "efgi").replace('\n', ""), 1, "staging"), first);
        assert_eq!(first.expose().len(), 64);
        for nothing in ["", "abcd", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY----- \n -----END PRIVATE KEY-----"] {
            assert_eq!(of(nothing).unwrap_err().code, "private_key_empty", "{nothing}");
        }
        assert!(!format!("{:?}", of(pem)).contains("abcd"));
    }
}
