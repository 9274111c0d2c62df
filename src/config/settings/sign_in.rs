//! The App's client id and secret: with them GitHub says whether a token is one of a person, made for this App.

use super::values::{Reader, read_key};
use crate::config::Secret;

#[derive(Clone, Debug, PartialEq)]
pub struct SignIn {
    pub client_id: String,
    pub client_secret: Secret,
}

impl Reader<'_> {
    /// Nothing where nothing is said, and where what is said is wrong.
    pub(super) fn sign_in(&mut self) -> Option<SignIn> {
        let id = self.text(self.flags.client_id.as_deref(), "client_id");
        let inline = self.text(self.flags.client_secret.as_ref().map(Secret::expose), "client_secret");
        let file = self.path(self.flags.client_secret_file.as_deref(), "client_secret_file");
        let secret = match (inline, file) {
            (None, None) => None,
            (Some(_), Some(_)) => {
                let what = "The App's client secret is set twice, as text and as a file.";
                self.problem("client_secret_twice", what, "Remove one of the two.");
                return None;
            }
            (Some(inline), None) => Some(inline),
            (None, Some(file)) => match read_key(&file) {
                Ok(text) => Some(text.trim().to_owned()),
                Err(why) => {
                    let what = format!("The App's client secret cannot be read from {}: {why}.", file.display());
                    self.problem("client_secret_unreadable", what, "Name a file that the server can read.");
                    return None;
                }
            },
        };
        let plain = |text: &String| {
            (1..=200).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        match (id, secret.filter(|text| !text.is_empty())) {
            (None, None) => None,
            (Some(id), Some(secret)) if plain(&id) && plain(&secret) => {
                Some(SignIn { client_id: id, client_secret: Secret::new(secret) })
            }
            (Some(_), Some(_)) => {
                let what = "The App's client id or client secret is none.";
                self.problem("client_invalid", what, "Copy both from the App's settings page on GitHub.");
                None
            }
            _ => {
                let what = "Of the App's client id and client secret only one is set.";
                let fix = "Set `client_id` and `client_secret` (or `client_secret_file`), or neither: then no tokens of people are taken.";
                self.problem("client_incomplete", what, fix);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Secret;
    use crate::config::settings::Flags;
    use std::path::PathBuf;

    fn codes(flags: &Flags) -> Vec<String> {
        let all = flags.serve().map(|_| Vec::new()).unwrap_or_else(|problems| problems);
        all.into_iter().map(|problem| problem.code).filter(|code| code.starts_with("client_")).collect()
    }

    #[test]
    fn an_id_has_a_secret_and_a_secret_an_id() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "0123456789abcdef\n").unwrap();
        let none = Flags { settings: Some(folder.path().join("secret")), ..Flags::default() };
        let of = |id: Option<&str>, secret: Option<&str>, file: Option<PathBuf>| {
            codes(&Flags {
                client_id: id.map(str::to_owned),
                client_secret: secret.map(Secret::from),
                client_secret_file: file,
                ..none.clone()
            })
        };
        assert_eq!(of(None, None, None), [] as [&str; 0]);
        assert_eq!(of(Some("Iv1.a"), Some("0123"), None), [] as [&str; 0]);
        assert_eq!(of(Some("Iv1.a"), None, Some(file.clone())), [] as [&str; 0]);
        for (id, secret, file, code) in [
            (Some("Iv1.a"), None, None, "client_incomplete"),
            (None, Some("0123"), None, "client_incomplete"),
            (Some("Iv1.a"), Some("0123"), Some(file.clone()), "client_secret_twice"),
            (Some("Iv1.a"), None, Some("/absent".into()), "client_secret_unreadable"),
            (Some("a/../b"), Some("0123"), None, "client_invalid"),
        ] {
            assert_eq!(of(id, secret, file), [code], "{id:?}");
        }
    }
}
