//! Health probes.

use super::{Done, Steps, answer};
use crate::config::repo::{HealthCheck, HttpCheck, McpCheck, TcpCheck};
use crate::plan::{ProbeAnswer, ProbeCall};
use crate::probes::{HttpProbe, McpProbe, ProbeReport, Subject, TcpProbe};

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
