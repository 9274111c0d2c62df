//! Asks web services for the gate `http`.
//!
//! Invariants: a service is asked once every other gate passes, so that a long soak or window costs it nothing; then less and
//! less often, until its gates pass or their time is up; what it said before a wait does not count after it. Services whose
//! turn it is are asked side by side, in steps of the round, so that a long wait leaves no more of them than a short one.

use super::deploy::values_of;
use super::gating::Case;
use super::pace::early;
use crate::actions::deploy::Subject;
use crate::config::repo::{CONFIG_PATH, GatePolicy, HttpGate};
use crate::domain::Millis;
use crate::expect;
use crate::flow::{Flow, Stop};
use crate::gates::{self, HttpAnswer, HttpMissed, Verdict};
use crate::plan::{AskCall, Call};
use crate::targets::fill_address;
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
    /// Of the answers: those since the last wait, by their addresses.
    fresh: Vec<String>,
    /// How often something was asked.
    rounds: u32,
}

/// One address, whoever asks for it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Service<'a> {
    /// As the policy writes it.
    url: &'a str,
    timeout: Duration,
    within: Duration,
    interval: Duration,
    headers: bool,
    body: bool,
}

/// A service is asked once for all gates that name it.
fn services(policies: &[GatePolicy]) -> Vec<Service<'_>> {
    let mut all: Vec<Service<'_>> = Vec::new();
    for gate in policies.iter().filter_map(http) {
        let names = expect::compile(&gate.expect).map(|expression| expression.uses()).unwrap_or_default();
        let HttpGate { url, timeout, within, interval, .. } = gate;
        let (headers, body) = (names.contains(&"headers"), names.contains(&"body"));
        match all.iter_mut().find(|known| known.url == url) {
            None => all.push(Service { url, timeout: *timeout, within: *within, interval: *interval, headers, body }),
            Some(known) => {
                known.timeout = known.timeout.max(*timeout);
                known.within = known.within.min(*within);
                known.interval = known.interval.max(*interval);
                known.headers |= headers;
                known.body |= body;
            }
        }
    }
    all
}

fn http(policy: &GatePolicy) -> Option<&HttpGate> {
    if let GatePolicy::Http(gate) = policy { Some(gate) } else { None }
}

impl Asked {
    /// What was said before a wait does not count.
    pub fn waited(&mut self) {
        self.fresh.clear();
    }

    fn newest(&self, service: &Service<'_>) -> Option<&HttpAnswer> {
        self.answers.iter().find(|answer| answer.url == service.url)
    }

    fn is_fresh(&self, service: &Service<'_>) -> bool {
        self.fresh.iter().any(|url| url == service.url)
    }

    fn keep(&mut self, answer: HttpAnswer) {
        self.answers.retain(|old| old.url != answer.url);
        self.fresh.push(answer.url.clone());
        self.answers.push(answer);
    }

    /// The pause grows to a tenth of the time that it has been asked for: a month costs some hundred requests. Runs that began
    /// together do not ask together, and none asks sooner than the policy says.
    fn next(&self, service: &Service<'_>, run: &str) -> Option<Millis> {
        let (since, last) = (self.since?, self.newest(service)?.at);
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
        let is_turn = |service: &Service<'_>| match (overall.status.advances(), self.passes(service, verdicts)) {
            (true, _) => !asked.is_fresh(service),
            (false, true) => false,
            (false, false) => asked.next(service, self.ground.run.as_str()).is_none_or(|next| at >= next),
        };
        let due: Vec<Service<'_>> = services(self.gates).into_iter().filter(is_turn).collect();
        self.ask(f, "", asked, &due)?;
        Ok(!due.is_empty())
    }

    /// Asks every service once. `stem` begins the names of the steps.
    pub(super) fn ask_all(&self, f: &mut Flow, stem: &str, asked: &mut Asked) -> Result<(), Stop> {
        self.ask(f, stem, asked, &services(self.gates))
    }

    /// Nothing but services is waited for.
    pub(super) fn others_pass(&self, verdicts: &[Verdict]) -> bool {
        let mut judged = self.gates.iter().zip(verdicts);
        judged.all(|(gate, verdict)| http(gate).is_some() || verdict.status.advances())
    }

    pub(super) fn has_services(&self) -> bool {
        self.gates.iter().any(|gate| http(gate).is_some())
    }

    /// When the answer may be another one: other gates know it themselves, and services are asked in their turn.
    pub(super) fn next_answer(&self, asked: &Asked, verdicts: &[Verdict]) -> Option<Millis> {
        if self.others_pass(verdicts) {
            let open = services(self.gates).into_iter().filter(|service| !self.passes(service, verdicts));
            return open.filter_map(|service| asked.next(&service, self.ground.run.as_str())).min();
        }
        let judged = self.gates.iter().zip(verdicts);
        let others = judged.filter(|(gate, verdict)| http(gate).is_none() && !verdict.status.advances());
        others.filter_map(|(_, verdict)| verdict.ask_again).min()
    }

    fn passes(&self, service: &Service<'_>, verdicts: &[Verdict]) -> bool {
        let mut judged = self.gates.iter().zip(verdicts);
        judged.all(|(gate, verdict)| http(gate).is_none_or(|gate| gate.url != service.url) || verdict.status.advances())
    }

    fn ask(&self, f: &mut Flow, stem: &str, asked: &mut Asked, due: &[Service<'_>]) -> Result<(), Stop> {
        let now = f.now();
        if due.is_empty() {
            return Ok(());
        }
        if asked.since.is_none() {
            asked.since = Some(f.record(&format!("{stem}ask.since"), || now)?);
        }
        asked.rounds = asked.rounds.saturating_add(1);
        let mut calls = Vec::new();
        for (index, service) in due.iter().enumerate() {
            match self.filled(service) {
                Ok(call) => calls.push((format!("{stem}ask.{index}"), Call::AskService(call))),
                Err(why) => {
                    let at = asked.since.unwrap_or(now);
                    asked.keep(HttpAnswer { url: service.url.to_owned(), at, answer: Err(unfilled(&why)) });
                }
            }
        }
        let answers: Vec<HttpAnswer> = f.all(&calls)?;
        answers.into_iter().for_each(|answer| asked.keep(answer));
        Ok(())
    }

    fn filled(&self, service: &Service<'_>) -> Result<AskCall, String> {
        let going = self.going.as_ref().ok_or_else(|| "there is no environment".to_owned())?;
        let subject = Subject {
            sha: self.pinned.clone(),
            tag: self.tag.cloned(),
            version: self.parsed.map(|parsed| parsed.version.to_string()),
            component: self.parsed.and_then(|parsed| parsed.component.clone()),
        };
        Ok(AskCall {
            url: service.url.to_owned(),
            address: fill_address(service.url, &values_of(going.environment, &subject, self.ground, None))?,
            headers: service.headers,
            body: service.body,
            timeout: service.timeout,
        })
    }
}

fn unfilled(why: &str) -> HttpMissed {
    HttpMissed {
        reason: format!("The address of the gate `http` cannot be filled in: {why}"),
        fix: format!("Mend `url` of the gate `http` in {CONFIG_PATH}."),
        hopeless: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let service = services(gates)[0];
        let mut asked = Asked { since: Some(Millis(0)), ..Asked::default() };
        let (mut all, mut at, end) = (Vec::new(), Millis(0), Millis(0).plus(service.within));
        while at < end {
            asked.keep(answered(at));
            asked.rounds += 1;
            all.push(at);
            at = asked.next(&service, run).unwrap();
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

    #[test]
    fn gates_of_one_address_ask_once_for_what_all_of_them_need() {
        let gates = [
            gate("a", "status == 200", 30, SPAN),
            gate("b", "headers.etag == 'x'", 30, SPAN),
            gate("a", "body.ok", 60, SPAN / 2),
        ];
        let seen: Vec<_> =
            services(&gates).into_iter().map(|s| (s.url, s.headers, s.body, s.interval.as_secs(), s.within)).collect();
        assert_eq!(seen, [("a", false, true, 60, SPAN / 2), ("b", true, false, 30, SPAN)]);
    }
}
