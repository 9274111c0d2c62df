//! Health probes, and questions to web services for gates.

use super::{Done, Steps, answer};
use crate::config::repo::{HealthCheck, HttpCheck, McpCheck, TcpCheck};
use crate::gates::{HttpAnswer, HttpMissed, HttpSeen};
use crate::plan::{AskCall, ProbeAnswer, ProbeCall};
use crate::probes::{Fetch, Fetched, HttpProbe, McpProbe, ProbeReport, Subject, TcpProbe};

impl Steps {
    pub(super) async fn probe(&self, call: ProbeCall) -> Done {
        if self.rehearsal {
            let reason = "not asked in a rehearsal".to_owned();
            return answer(&ProbeAnswer { ok: true, code: "rehearsal".to_owned(), reason, fix: None, hopeless: false });
        }
        let report = self.ask(&call).await;
        let fix = Some(report.fix).filter(|fix| !fix.is_empty());
        answer(&ProbeAnswer { ok: report.ok, code: report.code, reason: report.reason, fix, hopeless: report.hopeless })
    }

    pub(super) async fn ask_service(&self, call: AskCall) -> Done {
        let AskCall { url, address, headers, body, timeout } = call;
        let fetched = match self.rehearsal {
            true => Err(HttpMissed {
                reason: "The service of the gate `http` is not asked in a rehearsal.".to_owned(),
                fix: "Ask for a deployment to see what it answers.".to_owned(),
                hopeless: true,
            }),
            false => self.prober.fetch(&Fetch { url: &address, headers, body, timeout }).await.map_err(missed),
        };
        answer(&HttpAnswer { url, at: self.now(), answer: fetched.map(seen) })
    }

    async fn ask(&self, call: &ProbeCall) -> ProbeReport {
        let subject = Subject {
            version: call.version.as_deref(),
            sha: Some(call.sha.as_str()),
            environment: Some(call.environment.as_str()),
        };
        match &call.check {
            HealthCheck::Http(HttpCheck { url, expect, timeout, .. }) => {
                self.prober.http(&HttpProbe { url, expect, timeout: *timeout, subject }).await
            }
            HealthCheck::Tcp(TcpCheck { address, timeout, .. }) => {
                self.prober.tcp(&TcpProbe { address, timeout: *timeout }).await
            }
            HealthCheck::Mcp(McpCheck { url, expect, timeout, .. }) => {
                self.prober.mcp(&McpProbe { url, expect, timeout: *timeout, subject }).await
            }
        }
    }
}

fn missed(report: ProbeReport) -> HttpMissed {
    HttpMissed { reason: report.reason, fix: report.fix, hopeless: report.hopeless }
}

fn seen(fetched: Fetched) -> HttpSeen {
    let Fetched { status, latency_ms, headers, body } = fetched;
    HttpSeen { status, latency_ms, headers, body }
}
