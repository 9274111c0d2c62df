//! Questions to peers, for gates and for configuration.

use super::{Done, Steps, answer, stored};
use crate::domain::{EnvPlace, Refusal, RepoName};
use crate::engine::host::{StepCtx, StepError};
use crate::gates::{PeerAnswer, PeerMissed, PeerSaid};
use crate::peers::{PeerTrouble, Said};
use crate::plan::AskPeerCall;
use crate::store::{ledger, steps};
use serde_json::{Map, Value};
use std::time::Duration;

/// Most that is kept of an answer; a run remembers it.
const LARGEST: usize = 64 << 10;
/// How often one that does not answer is asked for configuration.
const TRIES: u32 = 3;
/// So long a way back waits for one.
const ON_THE_WAY_BACK: Duration = Duration::from_secs(10);
/// Entries of the ledger that are looked at.
const RECENT: u32 = 20;

impl Steps {
    pub(super) async fn ask_peer(&self, ctx: &StepCtx, call: AskPeerCall) -> Done {
        let AskPeerCall { key, repo, peer, tool, arguments, .. } = call;
        let said = match self.rehearsal {
            true => Err(PeerMissed {
                code: "rehearsal".to_owned(),
                reason: format!("The peer {peer} is not asked in a rehearsal."),
                fix: "Ask for a deployment to see what it answers.".to_owned(),
                hopeless: true,
            }),
            false => self.call_peer(ctx, &repo.name, (&peer, &tool), arguments).await,
        };
        answer(&PeerAnswer { key, at: self.now(), answer: said })
    }

    pub(super) async fn read_configuration(&self, ctx: &StepCtx, call: AskPeerCall) -> Done {
        if self.rehearsal {
            return Ok(Value::Null);
        }
        let AskPeerCall { repo, peer, tool, arguments, or_last_of, .. } = call;
        let asked = self.call_peer(ctx, &repo.name, (&peer, &tool), arguments);
        if let Some(place) = or_last_of {
            let said = tokio::time::timeout(ON_THE_WAY_BACK, asked).await;
            if let Ok(Ok(PeerSaid { result, .. })) = said
                && result.is_object()
            {
                return Ok(result);
            }
            tracing::warn!(run = %ctx.run, peer, tool, "a way back goes by what the peer supplied last");
            return self.last_configuration(place).await;
        }
        match asked.await {
            Ok(said) if said.result.is_object() => Ok(said.result),
            Ok(_) => {
                let text = format!("The tool {tool} of the peer {peer} answered with something that is no table.");
                let fix = "Name a tool that answers with a table of values.";
                Err(StepError::Fail(Refusal::user("configuration_unusable", text, fix)))
            }
            Err(missed) if missed.hopeless || ctx.attempt >= TRIES => {
                Err(StepError::Fail(Refusal::operator(&missed.code, missed.reason, missed.fix)))
            }
            Err(missed) => {
                let refusal = Refusal::world(&missed.code, missed.reason, missed.fix);
                Err(StepError::Retry { after: None, refusal })
            }
        }
    }

    /// Of the newest deployment there that had one.
    async fn last_configuration(&self, place: EnvPlace) -> Done {
        let found = self.store.read(move |rx| {
            for entry in ledger::of(rx, &place, RECENT)? {
                let supplied = steps::get(rx, &entry.run, "configuration")?.and_then(|step| step.result);
                if let Some(value) = supplied.filter(Value::is_object) {
                    return Ok(Some(value));
                }
            }
            Ok(None)
        });
        found.await.map_err(stored)?.ok_or_else(|| {
            let text = "The peer that supplies the configuration does not answer, and it has supplied none here before.";
            StepError::Fail(Refusal::operator("configuration_unknown", text, "See why the peer does not answer."))
        })
    }

    /// A peer may take its time: others go on meanwhile, and who stops the run does not wait for it.
    async fn call_peer(
        &self,
        ctx: &StepCtx,
        repo: &RepoName,
        (peer, tool): (&str, &str),
        arguments: Map<String, Value>,
    ) -> Result<PeerSaid, PeerMissed> {
        if let Err(refusal) = self.resources.lent_to(repo).peer(peer, tool, repo) {
            let (code, reason, fix) = (refusal.code, refusal.message, refusal.fix);
            return Err(PeerMissed { code, reason, fix, hopeless: true });
        }
        ctx.place.step_aside();
        let host = self.host.get();
        let stopped = async {
            match host {
                Some(host) => host.stopped(&ctx.run).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            said = self.peers.call(peer, tool, arguments) => said.map_err(missed).and_then(|said| kept(peer, said)),
            _ = stopped => Err(given_up(peer)),
        }
    }
}

fn kept(peer: &str, Said { result, words }: Said) -> Result<PeerSaid, PeerMissed> {
    if result.to_string().len() > LARGEST {
        return Err(PeerMissed {
            code: "peer_answer_too_large".to_owned(),
            reason: format!("The peer {peer} answered with more than {} KB.", LARGEST >> 10),
            fix: "Use a tool that answers with numbers and not with everything that it knows.".to_owned(),
            hopeless: true,
        });
    }
    Ok(PeerSaid { result, words })
}

fn missed(trouble: PeerTrouble) -> PeerMissed {
    let PeerTrouble { code, reason, fix, hopeless } = trouble;
    PeerMissed { code: code.to_owned(), reason, fix, hopeless }
}

fn given_up(peer: &str) -> PeerMissed {
    PeerMissed {
        code: "peer_given_up".to_owned(),
        reason: format!("The peer {peer} was not waited for, since the run was stopped."),
        fix: "Nothing; the run ends.".to_owned(),
        hopeless: false,
    }
}
