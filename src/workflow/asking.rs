//! Asks web services and peers for the gates `http` and `peer`.
//!
//! Invariants: a service (or a peer, here and below) is asked once every other gate passes, so that a long soak or window costs it nothing; then less and
//! less often, until its gates pass or their time is up; what it said before a wait does not count after it. Services whose
//! turn it is are asked side by side, in steps of the round, so that a long wait leaves no more of them than a short one.

use super::gating::Case;
use super::pace::early;
use super::questions::{Asking, Heard, Question, is_asked, questions};
use crate::domain::Millis;
use crate::flow::{Flow, Stop};
use crate::gates::{self, HttpAnswer, PeerAnswer, Verdict};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Before a gate's time is up its service is asked for the last time.
const MOMENT: Duration = Duration::from_secs(1);

/// What services have said so far.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Asked {
    /// When the first of them was asked; their time counts from here.
    pub since: Option<Millis>,
    /// The newest of each.
    pub answers: Vec<HttpAnswer>,
    #[serde(default)]
    pub peers: Vec<PeerAnswer>,
    /// Of the answers: those since the last wait, by their keys.
    fresh: Vec<String>,
    /// How often something was asked.
    rounds: u32,
}

impl Asked {
    /// What was said before a wait does not count.
    pub fn waited(&mut self) {
        self.fresh.clear();
    }

    /// When it was asked the last time.
    fn last(&self, question: &Question<'_>) -> Option<Millis> {
        let service = self.answers.iter().find(|answer| answer.url == question.key).map(|answer| answer.at);
        service.or_else(|| self.peers.iter().find(|answer| answer.key == question.key).map(|answer| answer.at))
    }

    fn is_fresh(&self, question: &Question<'_>) -> bool {
        self.fresh.iter().any(|key| *key == question.key)
    }

    fn keep(&mut self, heard: Heard) {
        match heard {
            Heard::Service(answer) => {
                self.answers.retain(|old| old.url != answer.url);
                self.fresh.push(answer.url.clone());
                self.answers.push(answer);
            }
            Heard::Peer(answer) => {
                self.peers.retain(|old| old.key != answer.key);
                self.fresh.push(answer.key.clone());
                self.peers.push(answer);
            }
        }
    }

    /// The pause grows to a tenth of the time that it has been asked for: a month costs some hundred requests. Runs that began
    /// together do not ask together, and none asks sooner than the policy says.
    fn next(&self, service: &Question<'_>, run: &str) -> Option<Millis> {
        let (since, last) = (self.since?, self.last(service)?);
        let pause = service.interval.max(since.until(last) / 10);
        let next = last.plus(pause).plus(early(pause / 8, run, self.rounds));
        let end = since.plus(service.within);
        let just_before = since.plus(service.within.saturating_sub(MOMENT));
        // A pause that would outlast its time ends just before that.
        Some(if last.plus(service.interval) <= just_before { next.min(just_before) } else { next.min(end) })
    }
}

impl Case<'_> {
    /// Asks the services whose turn it is; false when there is none, and nothing has changed.
    pub(super) fn ask_in_turn(
        &self,
        f: &mut Flow,
        asked: &mut Asked,
        (at, verdicts): (Millis, &[Verdict]),
    ) -> Result<bool, Stop> {
        let overall = gates::overall(verdicts);
        let refused = !overall.status.advances() && overall.ask_again.is_none();
        if refused || !self.others_pass(verdicts) {
            return Ok(false);
        }
        let is_turn = |service: &Question<'_>| match (overall.status.advances(), self.passes(service, verdicts)) {
            (true, _) => !asked.is_fresh(service),
            (false, true) => false,
            (false, false) => asked.next(service, self.ground.run.as_str()).is_none_or(|next| at >= next),
        };
        let due: Vec<Question<'_>> = questions(self.gates).into_iter().filter(is_turn).collect();
        self.ask(f, "", asked, &due)?;
        Ok(!due.is_empty())
    }

    /// Asks every service once. `stem` begins the names of the steps.
    pub(super) fn ask_all(&self, f: &mut Flow, stem: &str, asked: &mut Asked) -> Result<(), Stop> {
        self.ask(f, stem, asked, &questions(self.gates))
    }

    /// Nothing but services is waited for.
    pub(super) fn others_pass(&self, verdicts: &[Verdict]) -> bool {
        let mut judged = self.gates.iter().zip(verdicts);
        judged.all(|(gate, verdict)| is_asked(gate) || verdict.status.advances())
    }

    pub(super) fn has_services(&self) -> bool {
        self.gates.iter().any(is_asked)
    }

    /// When the answer may be another one: other gates know it themselves, and services are asked in their turn.
    pub(super) fn next_answer(&self, asked: &Asked, verdicts: &[Verdict]) -> Option<Millis> {
        if self.others_pass(verdicts) {
            let open = questions(self.gates).into_iter().filter(|service| !self.passes(service, verdicts));
            return open.filter_map(|service| asked.next(&service, self.ground.run.as_str())).min();
        }
        let judged = self.gates.iter().zip(verdicts);
        let others = judged.filter(|(gate, verdict)| !is_asked(gate) && !verdict.status.advances());
        others.filter_map(|(_, verdict)| verdict.ask_again).min()
    }

    fn passes(&self, service: &Question<'_>, verdicts: &[Verdict]) -> bool {
        let mut judged = self.gates.iter().zip(verdicts);
        judged.all(|(gate, verdict)| !service.is_of(gate) || verdict.status.advances())
    }

    fn ask(&self, f: &mut Flow, stem: &str, asked: &mut Asked, due: &[Question<'_>]) -> Result<(), Stop> {
        let now = f.now();
        if due.is_empty() {
            return Ok(());
        }
        if asked.since.is_none() {
            asked.since = Some(f.record(&format!("{stem}ask.since"), || now)?);
        }
        asked.rounds = asked.rounds.saturating_add(1);
        let since = asked.since.unwrap_or(now);
        let mut calls = Vec::new();
        for (index, question) in due.iter().enumerate() {
            let Asking { kind, call } = question.asking(self, since);
            match call {
                Ok(call) => calls.push((format!("{stem}{kind}.{index}"), call)),
                Err(heard) => asked.keep(heard),
            }
        }
        let answers: Vec<Heard> = f.all(&calls)?;
        answers.into_iter().for_each(|heard| asked.keep(heard));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::repo::{GatePolicy, HttpGate};
    use crate::gates::HttpSeen;

    const SPAN: Duration = Duration::from_secs(30 * 86_400);

    fn gate(url: &str, expect: &str, interval: u64, within: Duration) -> GatePolicy {
        let (timeout, interval) = (Duration::from_secs(10), Duration::from_secs(interval));
        GatePolicy::Http(HttpGate { url: url.to_owned(), expect: expect.to_owned(), timeout, within, interval })
    }

    fn answered(at: Millis) -> HttpAnswer {
        let seen = HttpSeen { status: 503, latency_ms: 1, headers: [].into(), body: serde_json::Value::Null };
        HttpAnswer { url: "a".to_owned(), at, answer: Ok(seen) }
    }

    /// When the service would be asked, if it never says what is wanted.
    fn times(gates: &[GatePolicy], run: &str) -> Vec<Millis> {
        let service = &questions(gates)[0];
        let mut asked = Asked { since: Some(Millis(0)), ..Asked::default() };
        let (mut all, mut at, end) = (Vec::new(), Millis(0), Millis(0).plus(service.within));
        while at < end {
            asked.keep(Heard::Service(answered(at)));
            asked.rounds += 1;
            all.push(at);
            at = asked.next(service, run).unwrap();
        }
        all
    }

    #[test]
    fn a_month_costs_a_hundred_questions_and_the_last_comes_just_before_the_end() {
        let all = times(&[gate("a", "true", 30, SPAN)], "one");
        assert!((80..130).contains(&all.len()), "{}", all.len());
        let pauses: Vec<Duration> = all.windows(2).map(|pair| pair[0].until(pair[1])).collect();
        assert!(pauses.iter().all(|pause| *pause >= Duration::from_secs(30)), "{pauses:?}");
        assert_eq!(all.last(), Some(&Millis(0).plus(SPAN - MOMENT)));
        assert_ne!(all[1], times(&[gate("a", "true", 30, SPAN)], "two")[1], "runs that began together ask together");
        assert_eq!(times(&[gate("a", "true", 30, Duration::ZERO)], "one"), []);
        assert_eq!(times(&[gate("a", "true", 30, Duration::from_secs(30))], "one"), [Millis(0)]);
    }
}
