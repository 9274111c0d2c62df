//! What an artifact attestation proves: a Sigstore bundle, verified down to the root of trust.
//!
//! Of public repositories they are signed under Sigstore's public root and stand in its log; of private ones under GitHub's
//! own root, whose certificates carry no proof of a log: a signed time stands for it. Both roots come with the library, whose
//! update brings new ones. Nothing is fetched.
//!
//! Invariants: everything that is told is read from the certificate, after it and the signature over exactly this digest were
//! verified; a bundle comes from whoever may add attestations, so that one which cannot be read, or ends the library, proves
//! nothing.

use crate::domain::Attestation;
use sigstore_verify::trust_root::{SIGSTORE_GITHUB_TRUSTED_ROOT, SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot};
use sigstore_verify::types::{Bundle, Sha256Hash, SignatureContent};
use sigstore_verify::{VerificationPolicy, VerificationResult, Verifier};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

/// Who vouches for what a workflow of GitHub says of itself.
const ISSUER: &str = "https://token.actions.githubusercontent.com";
const SITE: &str = "https://github.com/";

static PUBLIC: LazyLock<Option<Verifier>> = LazyLock::new(|| verifier(SIGSTORE_PRODUCTION_TRUSTED_ROOT));
static GITHUB: LazyLock<Option<Verifier>> = LazyLock::new(|| verifier(SIGSTORE_GITHUB_TRUSTED_ROOT));

/// A test sees to it that both can be used.
fn verifier(root: &str) -> Option<Verifier> {
    Verifier::new(&TrustedRoot::from_json(root).ok()?).ok()
}

/// What a bundle says about the artifact of this digest (`sha256:…`); nothing when it is sound but not a workflow's, as what
/// GitHub itself attests of each release.
pub(super) fn read(bundle: &str, digest: &str) -> Option<Attestation> {
    let verified = catch_unwind(AssertUnwindSafe(|| verify(bundle, digest))).unwrap_or_default();
    let Some(verified) = verified else { return Some(unproven(digest)) };
    let (repository, workflow) = maker(&verified)?;
    Some(Attestation { subject_digest: digest.to_owned(), repository, workflow, verified: true })
}

/// It proves nothing: not even its own words are repeated.
pub(super) fn unproven(digest: &str) -> Attestation {
    let nobody = String::new;
    Attestation { subject_digest: digest.to_owned(), repository: nobody(), workflow: nobody(), verified: false }
}

fn verify(bundle: &str, digest: &str) -> Option<VerificationResult> {
    let digest = Sha256Hash::from_hex(digest.strip_prefix("sha256:")?).ok()?;
    let bundle = Bundle::from_json(bundle).ok()?;
    // Anything else says of no artifact how it was made.
    let SignatureContent::DsseEnvelope(_) = &bundle.content else { return None };
    let logged = VerificationPolicy::any_identity();
    let stamped = VerificationPolicy::any_identity().skip_tlog_unsafe().skip_sct();
    let ways = [(&*PUBLIC, logged), (&*GITHUB, stamped)];
    let mut results = ways.iter().filter_map(|(root, policy)| root.as_ref()?.verify(digest, &bundle, policy).ok());
    results.find(VerificationResult::certificate_verified)
}

/// Repository and path of the workflow that ran. One that it calls may stand elsewhere; who calls answers for it.
fn maker(verified: &VerificationResult) -> Option<(String, String)> {
    let claims = &verified.certificate().filter(|_| verified.issuer() == Some(ISSUER))?.ci_claims;
    let repository = claims.source_repository_uri.as_deref()?;
    let path = claims.build_config_uri.as_deref()?.strip_prefix(repository)?.strip_prefix('/')?;
    let (workflow, _) = path.split_once("@refs/")?;
    Some((repository.strip_prefix(SITE)?.to_owned(), workflow.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::{Value, json};

    /// Made by GitHub Actions in prefix-dev/sigstore-example.
    const BUNDLE: &str = include_str!("testdata/attestation.sigstore.json");
    const DIGEST: &str = "sha256:54303491a8418fbed24344b513546182c29b43bf282ceb433af65e2299f9271f";
    /// Of the same file, under a root that nobody trusts: Sigstore's for experiments.
    const ELSEWHERE: &str = include_str!("testdata/attestation-under-another-root.sigstore.json");
    /// Of the files of a release, by GitHub itself, under its own root.
    const BY_GITHUB: &str = include_str!("testdata/attestation-of-a-release.sigstore.json");
    const RELEASED: &str = "sha256:76f1fe8593bf227cca2c089e3c16dc95014a8d3e89c5dd220530469ca043c428";

    type Change = Box<dyn FnOnce(&mut Value)>;

    fn changed(bundle: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut value: Value = serde_json::from_str(bundle).unwrap();
        change(&mut value);
        value.to_string()
    }

    /// One bit of what stands there in base64.
    fn flipped(value: &mut Value, pointer: &str, at: usize) {
        let text = value.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}"));
        let mut bytes = STANDARD.decode(text.as_str().unwrap()).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1;
        *text = STANDARD.encode(bytes).into();
    }

    fn is_proven(bundle: &str, digest: &str) -> bool {
        read(bundle, digest).is_some_and(|attestation| attestation.verified)
    }

    #[test]
    fn a_sound_one_names_the_repository_and_the_workflow_that_made_it() {
        assert!(PUBLIC.is_some() && GITHUB.is_some());
        let attestation = read(BUNDLE, DIGEST).unwrap();
        assert_eq!(attestation.repository, "prefix-dev/sigstore-example");
        assert_eq!(attestation.workflow, ".github/workflows/action.yaml");
        assert!(attestation.verified && attestation.subject_digest == DIGEST);
        // As GitHub's answer is passed on: with its keys in another order.
        assert_eq!(read(&changed(BUNDLE, |_| {}), DIGEST), Some(attestation));
    }

    #[test]
    fn one_under_another_root_proves_nothing_and_one_of_github_itself_is_no_workflows() {
        assert_eq!(read(ELSEWHERE, DIGEST), Some(unproven(DIGEST)));
        assert_eq!(read(BY_GITHUB, RELEASED), None);
        assert_eq!(read(BY_GITHUB, DIGEST), Some(unproven(DIGEST)));
    }

    #[test]
    fn nothing_that_was_changed_is_proven() {
        let other = DIGEST.replace('5', "6");
        for digest in [other.as_str(), "", "sha256:", "sha256:zz", &DIGEST.replace("sha256", "sha512"), &DIGEST[7..]] {
            assert!(!is_proven(BUNDLE, digest), "{digest}");
        }
        let entry = "/verificationMaterial/tlogEntries/0";
        let signed = [
            "/dsseEnvelope/payload".to_owned(),
            "/dsseEnvelope/signatures/0/sig".to_owned(),
            "/verificationMaterial/certificate/rawBytes".to_owned(),
            format!("{entry}/canonicalizedBody"),
            format!("{entry}/inclusionProof/rootHash"),
            format!("{entry}/inclusionProof/hashes/0"),
            format!("{entry}/logId/keyId"),
        ];
        for pointer in signed {
            for at in [0, 7, 100, 1_000] {
                let bundle = changed(BUNDLE, |value| flipped(value, &pointer, at));
                assert!(!is_proven(&bundle, DIGEST), "{pointer} {at}");
            }
        }
    }

    #[test]
    fn nothing_can_be_left_out_or_put_in_its_place() {
        let other: Value = serde_json::from_str(ELSEWHERE).unwrap();
        let github: Value = serde_json::from_str(BY_GITHUB).unwrap();
        let changes: Vec<(&str, Change)> = vec![
            ("no log", Box::new(|v| v["verificationMaterial"]["tlogEntries"] = json!([]))),
            (
                "no proof of the log",
                Box::new(|v| {
                    v["verificationMaterial"]["tlogEntries"][0].as_object_mut().unwrap().remove("inclusionProof");
                }),
            ),
            ("no signature", Box::new(|v| v["dsseEnvelope"]["signatures"] = json!([]))),
            ("no certificate", Box::new(|v| drop(v["verificationMaterial"].take()))),
            (
                "a key instead of a certificate",
                Box::new(|v| {
                    v["verificationMaterial"]["certificate"].take();
                    v["verificationMaterial"]["publicKey"] = json!({ "hint": "mine" });
                }),
            ),
            ("another's certificate", Box::new(move |v| v["verificationMaterial"] = other["verificationMaterial"].clone())),
            ("GitHub's certificate", Box::new(move |v| v["verificationMaterial"] = github["verificationMaterial"].clone())),
            ("another kind of payload", Box::new(|v| v["dsseEnvelope"]["payloadType"] = "text/plain".into())),
        ];
        for (what, change) in changes {
            assert!(!is_proven(&changed(BUNDLE, change), DIGEST), "{what}");
        }
    }

    #[test]
    fn garbage_proves_nothing_and_ends_nothing() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let cut = &BUNDLE[..BUNDLE.len() / 2];
        for bundle in ["", "null", "{}", "[]", "\"\"", cut, &deep, "{\"mediaType\":1}", "\u{0}"] {
            assert_eq!(read(bundle, DIGEST), Some(unproven(DIGEST)));
        }
    }
}
