//! What commands in comments begin with.

/// One of `/ . ! % :`, which means nothing to Markdown at the beginning of a line, then letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandPrefix(String);

impl CommandPrefix {
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(['/', '.', '!', '%', ':'])?;
        let plain = rest.len() < 20 && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        plain.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for CommandPrefix {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_begins_with_a_sign_and_holds_no_markup() {
        for good in ["/", ".", "/lk-", "!lockkeeper_"] {
            assert_eq!(CommandPrefix::parse(good).map(|prefix| prefix.0), Some(good.to_owned()));
        }
        for bad in ["", "lk", "/ ", "// ", "-", "#", "/<b>", "/abcdefghijklmnopqrstuvwxyz"] {
            assert_eq!(CommandPrefix::parse(bad), None, "{bad}");
        }
    }
}
