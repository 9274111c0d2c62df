//! Asks an environment's health checks until each holds or its time is up.

use super::bring_up::values;
use super::leg::Leg;
use super::page::Shown;
use super::{Deployment, refused_step};
use crate::config::repo::{CONFIG_PATH, HealthCheck, HttpCheck};
use crate::domain::{Millis, Refusal};
use crate::flow::{Flow, Stop};
use crate::plan::{Call, ProbeAnswer, ProbeCall};
use crate::targets::{Values, fill};

pub(super) fn verify(
    f: &mut Flow,
    this: &Deployment,
    leg: &Leg,
    url: Option<&str>,
    shown: &mut Shown,
) -> Result<Result<(), Refusal>, Stop> {
    for (index, check) in this.environment.health.iter().enumerate() {
        let HealthCheck::Http(http) = check;
        let check = filled(http, &values(this, leg, url)).map_err(|refusal| refused_step("health", refusal))?;
        if let Err(refusal) = until_healthy(f, this, leg, index, check)? {
            return Ok(Err(refusal));
        }
        shown.progress.push(format!("Health {}: passed", index + 1));
    }
    Ok(Ok(()))
}

/// The check with every placeholder filled in.
pub(in crate::workflow) fn filled(check: &HttpCheck, values: &Values) -> Result<HttpCheck, Refusal> {
    let url = fill(&check.url, values).map_err(|why| {
        let fix = format!("Mend `url` of the health check in {CONFIG_PATH}.");
        Refusal::user("health_url_invalid", format!("The health check's URL cannot be filled in: {why}."), fix)
    })?;
    Ok(HttpCheck { url, ..check.clone() })
}

fn until_healthy(
    f: &mut Flow,
    this: &Deployment,
    leg: &Leg,
    index: usize,
    check: HttpCheck,
) -> Result<Result<(), Refusal>, Stop> {
    let now = f.now();
    let deadline: Millis = f.record(&leg.step(&format!("health.{index}.deadline")), || now.plus(check.within))?;
    for round in 0_u32.. {
        let call = Call::Probe(ProbeCall {
            check: check.clone(),
            version: leg.subject.version.clone(),
            sha: leg.subject.sha.clone(),
            environment: this.input.environment.to_string(),
        });
        let report: ProbeAnswer = f.step(&leg.step(&format!("health.{index}.{round}")), &call)?;
        if report.ok {
            return Ok(Ok(()));
        }
        let now = f.now();
        let next: Millis = f.record(&leg.step(&format!("health.{index}.next.{round}")), || now.plus(check.interval))?;
        if report.hopeless || next > deadline {
            return Ok(Err(unhealthy(&check, &report)));
        }
        match f.sleep_until(&leg.step(&format!("health.{index}.wait.{round}")), next) {
            // The way back is gone to its end.
            Err(Stop::Failed(failure)) if failure.refusal.code == "cancelled" && !leg.prefix.is_empty() => {}
            other => other?,
        }
    }
    Err(Stop::Suspended)
}

fn unhealthy(check: &HttpCheck, report: &ProbeAnswer) -> Refusal {
    let fix = report.fix.clone().unwrap_or_else(|| "Look at the service's log, mend it, and re-run this check.".to_owned());
    Refusal::user(&report.code, format!("{} is not healthy: {}", check.url, report.reason), fix)
}
