//! Health probes.

use super::{Done, Steps, answer};
use crate::plan::{ProbeAnswer, ProbeCall};
use crate::probes::HttpProbe;

impl Steps {
    pub(super) async fn probe(&self, call: ProbeCall) -> Done {
        if self.rehearsal {
            let reason = "not asked in a rehearsal".to_owned();
            return answer(&ProbeAnswer { ok: true, code: "rehearsal".to_owned(), reason, fix: None, hopeless: false });
        }
        let probe = HttpProbe {
            url: &call.check.url,
            expect: &call.check.expect,
            timeout: call.check.timeout,
            version: call.version.as_deref(),
            sha: Some(call.sha.as_str()),
            environment: Some(&call.environment),
        };
        let report = self.prober.http(&probe).await;
        let fix = Some(report.fix).filter(|fix| !fix.is_empty());
        answer(&ProbeAnswer { ok: report.ok, code: report.code, reason: report.reason, fix, hopeless: report.hopeless })
    }
}
