//! Files at a commit or branch.

use super::client::Call;
use super::git_objects::FileNode;
use super::paths::{encode, encode_path, repo_path};
use super::{Installation, Operation, Trouble};
use crate::domain::{FileAt, RepoName, Sha, Unreadable};
use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const FILES_AT: &str = concat!(include_str!("queries/files_at.graphql"), include_str!("queries/fragment_text.graphql"));
const MAX_FILES: usize = 50;

impl Installation {
    /// A file's text at a branch, tag or commit; `None` when there is no such file. One request, reused by ETag.
    pub async fn file(&self, repo: &RepoName, path: &str, git_ref: &str) -> Result<Option<FileAt>, Trouble> {
        #[derive(Deserialize)]
        struct Raw {
            encoding: String,
            content: String,
        }
        let target = repo_path(repo, &format!("contents/{}?ref={}", encode_path(path), encode(git_ref)));
        let reply = match self.call(Call::new(Operation::FileContents, target)).await {
            Ok(reply) => reply,
            Err(trouble) if trouble.is_gone() => return Ok(None),
            Err(trouble) => return Err(trouble),
        };
        let unreadable = |why| Trouble::nonsense(Operation::FileContents, why);
        let raw: Raw = reply.json()?;
        if raw.encoding != "base64" {
            return Err(unreadable("the file is too long"));
        }
        let packed: String = raw.content.split_whitespace().collect();
        let bytes = base64::engine::general_purpose::STANDARD.decode(packed).map_err(|_| unreadable("no base64"))?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable("the file is not UTF-8"))?;
        Ok(Some(FileAt { path: path.to_owned(), text }))
    }

    /// Several files at one commit, at most 50, in one request; a missing one is `Ok(None)`.
    pub async fn files(&self, repo: &RepoName, sha: &Sha, paths: &[String]) -> Result<Vec<FileResult>, Trouble> {
        #[derive(Deserialize)]
        struct Data {
            repository: Option<Repository>,
        }
        #[derive(Deserialize)]
        struct Repository {
            asked: Option<BTreeMap<String, Value>>,
        }
        let paths = &paths[..paths.len().min(MAX_FILES)];
        let (mut declared, mut aliases) = (String::new(), String::new());
        let mut variables = json!({"owner": repo.owner(), "name": repo.name(), "sha": sha});
        for (at, path) in paths.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = writeln!(declared, "  $f{at}: String!");
            let _ = writeln!(aliases, "        f{at}: file(path: $f{at}) {{ ...Text }}");
            variables[format!("f{at}")] = json!(path);
        }
        let document = FILES_AT.replace("  #variables\n", &declared).replace("        #files\n", &aliases);
        let names: Vec<String> = (0..paths.len()).map(|at| format!("f{at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let answered = self.query::<Data>(Operation::FilesAt, &document, variables).await?;
        let mut answered = answered.absent_is_none(&names).tolerating(&["asked"])?;
        let asked = answered.data.repository.take().and_then(|r| r.asked);
        let mut asked = asked.ok_or_else(|| Trouble::nonsense(Operation::FilesAt, "the commit is not there"))?;
        let mut one = |at: usize| -> FileResult {
            let alias = format!("f{at}");
            if let Some(unreadable) = answered.denied(&alias) {
                return Err(unreadable);
            }
            let node = asked.remove(&alias).unwrap_or_default();
            let node: Option<FileNode> =
                serde_json::from_value(node).map_err(|_| Unreadable { reason: "GitHub's answer is odd.".into() })?;
            node.map_or(Ok(None), FileNode::text)
        };
        Ok((0..paths.len()).map(&mut one).collect())
    }
}

pub type FileResult = Result<Option<FileAt>, Unreadable>;
