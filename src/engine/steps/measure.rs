//! Measurements for an analysis: the operator's Prometheus servers.

use super::{Done, Steps, answer};
use crate::domain::Sample;
use crate::plan::MeasureCall;
use crate::probes::prometheus::Query;
use crate::rollout::analysis::Observation;

impl Steps {
    /// Trouble is an answer too: the analysis decides what it is worth.
    pub(super) async fn measure(&self, call: &MeasureCall) -> Done {
        let sample = self.sample(call, &call.query).await;
        let baseline = match &call.baseline {
            Some(query) => Some(self.sample(call, query).await),
            None => None,
        };
        answer(&Observation { sample, baseline })
    }

    async fn sample(&self, call: &MeasureCall, query: &Result<String, String>) -> Sample {
        let query = match query {
            Ok(query) => query,
            Err(why) => return Sample::error("query_invalid", format!("the query cannot be filled in: {why}")),
        };
        let query = Query { repo: &call.repo.name, server: &call.prometheus, query, timeout: call.timeout };
        self.prometheus.query(&query).await.sample
    }
}
