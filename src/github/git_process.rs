//! One bare repository in a temporary folder, and `git` run in it with nothing of the host's: no configuration, no hooks, no
//! prompt, one allowed protocol, a deadline, and limits of what it may write and say.
//!
//! Invariant: the credentials are in no argument, environment, URL, error or named file. Git reads them from an open file
//! that has no name any more, through `/proc`; where there is no `/proc` git asks as nobody, and a private repository is read
//! by the API.

use super::Secret;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

/// Largest file that git may write, in blocks of 512 bytes (1,024 where `sh` is bash): a gigabyte at most.
const FILE_BLOCKS: &str = "1048576";

/// Why git did not do it: for the log, not for people.
#[derive(Debug, thiserror::Error)]
pub(super) enum GitFailed {
    #[error("git could not be started: {0}")]
    Start(std::io::Error),
    #[error("git took longer than {0:?}")]
    Deadline(Duration),
    #[error("git said more than {0} bytes")]
    TooMuch(usize),
    #[error("git ended with {0}")]
    Exit(std::process::ExitStatus),
}

pub(super) struct Git {
    program: PathBuf,
    folder: tempfile::TempDir,
    /// `https`, `http` or (in tests) `file`.
    protocol: &'static str,
    remote: String,
    /// A piece of git configuration.
    authorization: Option<File>,
    deadline: Duration,
}

impl Git {
    /// `authorization` is the whole header line, without quotation marks and backslashes.
    pub async fn new(
        program: &Path,
        remote: String,
        protocol: &'static str,
        authorization: Option<Secret>,
        deadline: Duration,
    ) -> Result<Self, GitFailed> {
        let folder = tempfile::Builder::new().prefix("lockkeeper-git-").tempdir().map_err(GitFailed::Start)?;
        let authorization = authorization.map(nameless).transpose().map_err(GitFailed::Start)?;
        let git = Self { program: program.to_owned(), folder, protocol, remote, authorization, deadline };
        // An empty template: the host's could hold hooks.
        git.run(&["init", "--quiet", "--bare", "--template=", "."], 4096).await?;
        Ok(git)
    }

    /// Runs git and gives what it said on its standard output, at most `most` bytes.
    pub async fn run(&self, arguments: &[&str], most: usize) -> Result<Vec<u8>, GitFailed> {
        let mut child = self.command(arguments).spawn().map_err(GitFailed::Start)?;
        let group = child.id();
        let result = tokio::time::timeout(self.deadline, finish(&mut child, most)).await;
        let result = result.unwrap_or(Err(GitFailed::Deadline(self.deadline)));
        if result.is_err() {
            // Git's own children (the transport, the unpacker) are in its group.
            kill_group(group);
            // The child is reaped; that it had to be killed is known already.
            let _ = child.kill().await;
        }
        result
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "ulimit -f \"$1\" && shift && exec \"$@\"", "sh", FILE_BLOCKS]).arg(&self.program).args(arguments);
        command.current_dir(self.folder.path()).env_clear().envs(self.environment());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.process_group(0).kill_on_drop(true);
        command
    }

    fn environment(&self) -> Vec<(String, String)> {
        let home = self.folder.path().display().to_string();
        let mut settings: Vec<(&str, String)> = vec![
            ("remote.origin.url", self.remote.clone()),
            ("core.hooksPath", "/dev/null".into()),
            ("credential.helper", String::new()),
            ("gc.auto", "0".into()),
            ("maintenance.auto", "false".into()),
            ("protocol.version", "2".into()),
            ("fetch.unpackLimit", "1".into()),
            ("pack.threads", "1".into()),
            // The header below would follow a redirect to wherever it leads.
            ("http.followRedirects", "false".into()),
            ("http.lowSpeedLimit", "1000".into()),
            ("http.lowSpeedTime", "30".into()),
        ];
        if let Some(file) = &self.authorization {
            settings.push(("include.path", format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())));
        }
        let fixed = [
            ("PATH", std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".into())),
            ("HOME", home.clone()),
            ("XDG_CONFIG_HOME", home),
            ("LC_ALL", "C".into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("GIT_CONFIG_GLOBAL", "/dev/null".into()),
            ("GIT_TERMINAL_PROMPT", "0".into()),
            ("GIT_ASKPASS", "/bin/false".into()),
            ("GIT_ALLOW_PROTOCOL", self.protocol.into()),
            ("GIT_NO_LAZY_FETCH", "1".into()),
            ("GIT_CONFIG_COUNT", settings.len().to_string()),
        ];
        let mut all: Vec<(String, String)> = fixed.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        // Where the operator put the root certificates or a proxy, git needs them too.
        for key in ["SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"] {
            all.extend(std::env::var(key).ok().map(|value| (key.to_owned(), value)));
        }
        for (at, (key, value)) in settings.into_iter().enumerate() {
            all.push((format!("GIT_CONFIG_KEY_{at}"), key.to_owned()));
            all.push((format!("GIT_CONFIG_VALUE_{at}"), value));
        }
        all
    }
}

/// The header as git configuration, in a file that only its descriptor leads to.
fn nameless(header: Secret) -> std::io::Result<File> {
    let mut file = tempfile::tempfile()?;
    writeln!(file, "[http]\n\textraHeader = \"{}\"", header.expose())?;
    Ok(file)
}

async fn finish(child: &mut Child, most: usize) -> Result<Vec<u8>, GitFailed> {
    let mut said = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
        stdout.take(limit).read_to_end(&mut said).await.map_err(GitFailed::Start)?;
    }
    if said.len() > most {
        return Err(GitFailed::TooMuch(most));
    }
    let status = child.wait().await.map_err(GitFailed::Start)?;
    if status.success() { Ok(said) } else { Err(GitFailed::Exit(status)) }
}

fn kill_group(group: Option<u32>) {
    let pid = group.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // It may be gone already; then there is nothing to kill.
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn git(program: &Path, deadline: Duration) -> Result<Git, GitFailed> {
        let secret = Secret::new("Authorization: Basic c2VjcmV0");
        Git::new(program, "https://github.invalid/a/b.git".into(), "https", Some(secret), deadline).await
    }

    #[tokio::test]
    async fn git_finds_the_credentials_and_nobody_else_does() {
        let git = git(Path::new("git"), Duration::from_secs(20)).await.unwrap();
        let command = git.command(&["fetch", "origin"]);
        let arguments: Vec<_> = command.as_std().get_args().map(|a| a.to_string_lossy().into_owned()).collect();
        assert!(!arguments.iter().any(|a| a.contains("c2VjcmV0")), "{arguments:?}");
        let given: Vec<_> = command.as_std().get_envs().filter_map(|(k, v)| Some((k, v?.to_str()?))).collect();
        assert!(!given.iter().any(|(_, v)| v.contains("c2VjcmV0")), "{given:?}");
        let found = git.run(&["config", "--get", "http.extraHeader"], 4096).await.unwrap();
        assert_eq!(String::from_utf8(found).unwrap(), "Authorization: Basic c2VjcmV0\n");
        assert!(given.iter().any(|(k, v)| *k == "GIT_TERMINAL_PROMPT" && *v == "0"));
        let config = std::fs::read_to_string(git.folder.path().join("config")).unwrap();
        assert!(!config.contains("c2VjcmV0"));
        assert!(!git.folder.path().join("hooks").exists());
    }

    #[tokio::test]
    async fn another_protocol_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}", folder.path().display());
        let git = Git::new(Path::new("git"), url, "https", None, Duration::from_secs(20)).await.unwrap();
        assert!(matches!(git.run(&["ls-remote", "origin"], 4096).await, Err(GitFailed::Exit(_))));
    }

    #[tokio::test]
    async fn deadline_output_and_absence() {
        let folder = tempfile::tempdir().unwrap();
        let script = |text: &str| {
            use std::os::unix::fs::PermissionsExt as _;
            let path = folder.path().join("git");
            std::fs::write(&path, format!("#!/bin/sh\n[ \"$1\" = init ] && exit 0\n{text}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let path = script("sleep 60 & sleep 60");
        let slow = git(&path, Duration::from_millis(300)).await.unwrap();
        let started = std::time::Instant::now();
        assert!(matches!(slow.run(&["fetch"], 10).await, Err(GitFailed::Deadline(_))));
        assert!(started.elapsed() < Duration::from_secs(10));
        let loud = git(&script("while :; do echo loud; done"), Duration::from_secs(20)).await.unwrap();
        assert!(matches!(loud.run(&["log"], 1000).await, Err(GitFailed::TooMuch(1000))));
        assert!(git(Path::new("/nonexistent/git"), Duration::from_secs(20)).await.is_err());
    }
}
