//! What a command says, line by line: without secrets, without control characters, never more than a limit.
//!
//! Invariant: a line is masked whole before it is cut, so that no half of a secret is left at the cut.

use crate::config::Secret;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc::Sender;

/// Longest line that is kept, in bytes.
pub const LONGEST_LINE: usize = 4 << 10;
/// Most that is kept of one command, in bytes.
pub const LONGEST_OUTPUT: usize = 1 << 20;
/// Shorter ones would hide half of any text, and hide themselves badly.
const SHORTEST_SECRET: usize = 4;
const MASK: &str = "***";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    Out,
    Err,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub stream: Stream,
    pub text: String,
}

/// Texts that nobody may read. A secret of several lines is hidden line by line.
#[derive(Clone, Default)]
pub struct Masker(Vec<String>);

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Masker({} hidden)", self.0.len())
    }
}

impl Masker {
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s Secret>) -> Self {
        let mut all = Self::default();
        secrets.into_iter().for_each(|secret| all.add(secret.expose()));
        all
    }

    pub(super) fn add(&mut self, secret: &str) {
        let lines = secret.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_SECRET);
        self.0.extend(lines.map(str::to_owned));
    }

    fn longest(&self) -> usize {
        self.0.iter().map(String::len).max().unwrap_or(0)
    }

    /// The first `keep` bytes or so, with every secret that begins in them hidden.
    fn mask(&self, text: &str, keep: usize) -> String {
        let mut hidden = vec![false; text.len()];
        for secret in &self.0 {
            let mut from = 0;
            while let Some(at) = text[from..].find(secret.as_str()).map(|at| at + from) {
                hidden[at..at + secret.len()].fill(true);
                from = at + text[at..].chars().next().map_or(1, char::len_utf8);
            }
        }
        let (mut out, mut inside) = (String::new(), false);
        for (at, c) in text.char_indices().take_while(|(at, _)| *at < keep) {
            match (hidden[at], inside) {
                (true, false) => out.push_str(MASK),
                (true, true) => {}
                (false, _) => out.push(c),
            }
            inside = hidden[at];
        }
        if text.len() > keep {
            out.push('…');
        }
        out
    }
}

/// Passes lines on until the pipe is closed; what is over a limit is read and thrown away, so that the command never waits.
pub(super) struct Pump<'a> {
    pub stream: Stream,
    pub masker: &'a Masker,
    pub lines: &'a Sender<Line>,
    /// What may still be said, by both streams together.
    pub budget: &'a AtomicUsize,
}

impl Pump<'_> {
    pub(super) async fn run(self, mut pipe: impl AsyncRead + Unpin) {
        // More than is shown, so that a secret that begins in the last shown bytes is seen whole.
        let most = LONGEST_LINE + self.masker.longest();
        let (mut line, mut chunk) = (Vec::new(), vec![0; 8 << 10]);
        while let Ok(1..) = self.fill(&mut pipe, &mut chunk, &mut line, most).await {}
        if !line.is_empty() {
            self.say(&line).await;
        }
    }

    async fn fill(
        &self,
        pipe: &mut (impl AsyncRead + Unpin),
        chunk: &mut [u8],
        line: &mut Vec<u8>,
        most: usize,
    ) -> std::io::Result<usize> {
        let read = pipe.read(chunk).await?;
        for part in chunk[..read].split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            let room = most.saturating_sub(line.len());
            line.extend_from_slice(&text[..text.len().min(room)]);
            if ends {
                self.say(line).await;
                line.clear();
            }
        }
        Ok(read)
    }

    async fn say(&self, line: &[u8]) {
        let clean: String = String::from_utf8_lossy(line).chars().filter(|c| !c.is_control() || *c == '\t').collect();
        let mut text = Cow::from(self.masker.mask(&clean, LONGEST_LINE));
        let left = self.budget.load(Ordering::Relaxed);
        if left == 0 {
            return;
        }
        if text.len() >= left {
            text = format!("(more than {LONGEST_OUTPUT} bytes; the rest is left out)").into();
            self.budget.store(0, Ordering::Relaxed);
        } else {
            self.budget.store(left - text.len(), Ordering::Relaxed);
        }
        // Nobody may listen any more; the command goes on all the same.
        let _ = self.lines.send(Line { stream: self.stream, text: text.into_owned() }).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masker(secrets: &[&str]) -> Masker {
        let secrets: Vec<Secret> = secrets.iter().map(|s| Secret::from(*s)).collect();
        Masker::new(&secrets)
    }

    #[test]
    fn secrets_are_hidden_whole_also_where_they_overlap_or_cross_the_cut() {
        for (secrets, text, keep, expected) in [
            (&["hunter2"][..], "a hunter2 b hunter2", 100, "a *** b ***"),
            (&["abcd", "cdef"], "xabcdefx", 100, "x***x"),
            (&["aaaa"], "baaaaaaab", 100, "b***b"),
            (&["hunter2"], "12345hunter2", 8, "12345***…"),
            (&["line one\nline two"], "x line two y", 100, "x *** y"),
            (&["no", ""], "no secret", 100, "no secret"),
            (&["ünïcödé"], "an ünïcödé one", 100, "an *** one"),
        ] {
            assert_eq!(masker(secrets).mask(text, keep), expected, "{text}");
        }
        assert!(!format!("{:?}", masker(&["hunter2"])).contains("hunter2"));
    }

    async fn pumped(masker: &Masker, input: Vec<u8>) -> Vec<String> {
        let (send, mut receive) = tokio::sync::mpsc::channel(10_000);
        let budget = AtomicUsize::new(LONGEST_OUTPUT);
        Pump { stream: Stream::Out, masker, lines: &send, budget: &budget }.run(input.as_slice()).await;
        drop(send);
        let mut all = Vec::new();
        while let Some(line) = receive.recv().await {
            all.push(line.text);
        }
        all
    }

    #[tokio::test]
    async fn lines_are_cut_and_cleaned_and_the_end_without_a_break_counts() {
        let masker = masker(&["topsecret"]);
        let mut input = b"\x1b[31mred\x07\ttop\x00secret\xff\n".to_vec();
        input.extend(vec![b'x'; LONGEST_LINE - 3]);
        input.extend(b"topsecret and more\n\nend");
        let lines = pumped(&masker, input).await;
        assert_eq!(lines[0], "[31mred\t***\u{fffd}");
        assert!(lines[1].ends_with("xxx***…") && lines[1].len() < LONGEST_LINE + 10, "{}", lines[1].len());
        assert_eq!(&lines[2..], ["", "end"]);
    }

    #[tokio::test]
    async fn endless_output_is_read_and_left_out() {
        let lines = pumped(
            &Masker::default(),
            "y".repeat(999).into_bytes().repeat(1).into_iter().chain([b'\n']).collect::<Vec<_>>().repeat(3000),
        )
        .await;
        let kept: usize = lines.iter().map(String::len).sum();
        assert!(kept <= LONGEST_OUTPUT + 100, "{kept}");
        assert!(lines.last().unwrap().contains("left out"));
    }
}
