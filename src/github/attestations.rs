//! The files of a release, and the artifact attestations that GitHub keeps about them.
//!
//! Invariant: an attestation counts for what was verified of it here and for nothing that GitHub's answer says beside it;
//! what was not read to its end is an error, unless a sound attestation was among what was read.

use super::bundles;
use super::client::Call;
use super::paths::{encode, repo_path};
use super::{Class, Installation, Operation, Trouble};
use crate::domain::{Artifact, Attestation, RepoName};
use serde::Deserialize;
use serde_json::Value;

const PER_PAGE: usize = 30;
/// Of more attestations of one artifact than fit here the rest is not looked at.
const MAX_PAGES: usize = 3;

#[derive(Deserialize)]
struct Release {
    #[serde(default)]
    assets: Vec<Asset>,
}

#[derive(Deserialize)]
struct Asset {
    name: String,
    #[serde(default)]
    state: String,
    digest: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    attestations: Vec<Kept>,
}

#[derive(Deserialize)]
struct Kept {
    bundle: Option<Value>,
}

impl Installation {
    /// The files of a release, drafts included; none when it is gone.
    pub async fn artifacts(&self, repo: &RepoName, release: u64) -> Result<Vec<Artifact>, Trouble> {
        let call = Call::new(Operation::ReleaseGet, repo_path(repo, &format!("releases/{release}")));
        let reply = match self.call(call).await {
            Err(trouble) if trouble.is_gone() => return Ok(Vec::new()),
            other => other?,
        };
        let whole = |asset: &Asset| asset.state == "uploaded";
        let assets = reply.json::<Release>()?.assets.into_iter();
        Ok(assets.map(|a| Artifact { digest: a.digest.clone().filter(|_| whole(&a)), name: a.name }).collect())
    }

    /// What GitHub keeps about the artifact of this digest, verified; each of them once.
    pub async fn attestations(&self, repo: &RepoName, digest: &str) -> Result<Vec<Attestation>, Trouble> {
        let mut next = Some(repo_path(repo, &format!("attestations/{}?per_page={PER_PAGE}", encode(digest))));
        let (mut found, mut elsewhere) = (Vec::new(), false);
        for _ in 0..MAX_PAGES {
            let Some(target) = next.take() else { break };
            let reply = match self.call(Call::new(Operation::Attestations, target)).await {
                // GitHub's words for "there is none".
                Err(trouble) if trouble.is_gone() => break,
                other => other?,
            };
            next = reply.next_page();
            let kept: Vec<Option<String>> =
                reply.json::<Page>()?.attestations.into_iter().map(|kept| kept.bundle.map(|b| b.to_string())).collect();
            elsewhere |= kept.iter().any(Option::is_none);
            for attestation in verified(kept.into_iter().flatten().collect(), digest.to_owned()).await? {
                if !found.contains(&attestation) {
                    found.push(attestation);
                }
            }
        }
        let whole = next.is_none() && !elsewhere;
        if whole || found.iter().any(|attestation| attestation.verified) { Ok(found) } else { Err(unread(elsewhere)) }
    }
}

/// Signatures are the processor's work.
async fn verified(bundles: Vec<String>, digest: String) -> Result<Vec<Attestation>, Trouble> {
    let work = move || bundles.iter().filter_map(|bundle| bundles::read(bundle, &digest)).collect();
    let stopped = |_| Trouble::retry(None, "attestations_unverified", "The attestations could not be verified.");
    tokio::task::spawn_blocking(work).await.map_err(stopped)
}

fn unread(elsewhere: bool) -> Trouble {
    let (code, what) = match elsewhere {
        true => ("attestation_elsewhere", "GitHub's answer does not hold the whole attestation."),
        false => ("attestations_too_many", "GitHub keeps more attestations of one file than Lockkeeper reads."),
    };
    Trouble::new(Class::Refused, code, what, "Attest each file once, or remove the gate `attestation`.")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{say, server};
    use super::*;
    use serde_json::json;

    const DIGEST: &str = "sha256:54303491a8418fbed24344b513546182c29b43bf282ceb433af65e2299f9271f";

    fn sound() -> Value {
        serde_json::from_str(include_str!("testdata/attestation.sigstore.json")).unwrap()
    }

    /// What comes of an answer, page after page the same if there are more, and how often it was asked for.
    async fn of(status: u16, body: Value, more: bool) -> (Result<Vec<bool>, &'static str>, usize) {
        let server = server(move |_, _| {
            let said = say(status, body.clone());
            if more { said.with("link", "</repos/acme/web/attestations/x?after=1>; rel=\"next\"") } else { said }
        })
        .await;
        let repo = RepoName::parse("acme/web").unwrap();
        let read = server.installation().attestations(&repo, DIGEST).await;
        let verified = read.map(|all| all.iter().map(|a| a.verified).collect()).map_err(|trouble| trouble.code);
        (verified, server.calls().len())
    }

    #[tokio::test]
    async fn what_is_not_whole_is_an_error_unless_it_holds_a_sound_one() {
        let kept = |all: &[Value]| json!({ "attestations": all.iter().map(|b| json!({ "bundle": b })).collect::<Vec<_>>() });
        assert_eq!(of(200, kept(&[]), false).await, (Ok(vec![]), 1));
        assert_eq!(of(404, json!({ "message": "Not Found" }), false).await, (Ok(vec![]), 1));
        assert_eq!(of(200, kept(&[sound(), json!({}), json!({}), sound()]), false).await, (Ok(vec![true, false]), 1));
        assert_eq!(of(200, kept(&[Value::Null]), false).await, (Err("attestation_elsewhere"), 1));
        assert_eq!(of(200, kept(&[Value::Null, sound()]), false).await, (Ok(vec![true]), 1));
        assert_eq!(of(200, kept(&[json!({})]), true).await, (Err("attestations_too_many"), MAX_PAGES));
        assert_eq!(of(200, kept(&[sound()]), true).await, (Ok(vec![true]), MAX_PAGES));
        for nonsense in [json!([]), json!({ "attestations": 1 }), json!({ "attestations": [1] }), json!({})] {
            let (read, _) = of(200, nonsense, false).await;
            assert!(read.is_err());
        }
    }

    #[tokio::test]
    async fn a_file_counts_once_it_is_whole() {
        let server = server(|_, _| {
            say(
                200,
                json!({ "assets": [
                { "name": "a", "state": "uploaded", "digest": DIGEST }, { "name": "b", "state": "starter", "digest": DIGEST },
                { "name": "c", "state": "uploaded", "digest": null }, { "name": "d" },
            ] }),
            )
        })
        .await;
        let repo = RepoName::parse("acme/web").unwrap();
        let files = server.installation().artifacts(&repo, 7).await.unwrap();
        let seen: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.digest.as_deref())).collect();
        assert_eq!(seen, [("a", Some(DIGEST)), ("b", None), ("c", None), ("d", None)]);
        assert_eq!(server.calls()[0].path, "/repos/acme/web/releases/7");
    }
}
