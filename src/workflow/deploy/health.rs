//! Asks an environment's health checks until each holds or its time is up, then its smoke tests in their order.

use super::bring_up::values;
use super::leg::Leg;
use super::page::Shown;
use super::{Deployment, refused_step};
use crate::config::repo::{CONFIG_PATH, HealthCheck};
use crate::domain::{Millis, Refusal};
use crate::flow::{Flow, Stop, Turn};
use crate::gates::shown as plain;
use crate::plan::{Call, ProbeAnswer, ProbeCall};
use crate::targets::{Values, fill_address};

/// One bad answer of a copy that was healthy may be chance; more are not. It is not starting any more, so it is not waited for.
const AGAIN: u32 = 2;

/// Asks all of them; when the health checks held, if they did.
pub(super) fn verify(
    f: &mut Flow,
    this: &Deployment,
    leg: &Leg,
    url: Option<&str>,
    shown: &mut Shown,
) -> Result<Result<Millis, Refusal>, Stop> {
    let values = values(this, leg, url);
    // Together they are as old as the first answer.
    let mut held = f.now();
    for (index, check) in this.environment.health.iter().enumerate() {
        let check = filled(check, &values).map_err(|refusal| refused_step("health", refusal))?;
        let name = format!("health.{index}");
        let now = f.now();
        let deadline: Millis = f.record(&leg.step(&format!("{name}.deadline")), || now.plus(check.within()))?;
        if let Err(report) = ask(f, this, leg, &name, &check, Patience::Until(deadline))? {
            return Ok(Err(unhealthy(&check, &report)));
        }
        shown.progress.push(format!("Health {}: passed", index + 1));
        if index == 0 {
            held = held_at(f, &leg.step("health.held"))?;
        }
    }
    for (index, test) in this.environment.smoke.iter().enumerate() {
        let check = filled(&test.check, &values).map_err(|refusal| refused_step("smoke", refusal))?;
        let patience = Patience::Retries(test.retries);
        if let Err(report) = ask(f, this, leg, &format!("smoke.{index}"), &check, patience)? {
            return Ok(Err(failed(&test.name, &report)));
        }
        shown.progress.push(format!("Smoke test \"{}\": passed", plain(&test.name)));
    }
    Ok(Ok(held))
}

/// Asks the health checks, not the smoke tests, of a copy that has passed them before. `name` is unique in the leg.
pub(super) fn verify_again(
    f: &mut Flow,
    this: &Deployment,
    leg: &Leg,
    url: Option<&str>,
    name: &str,
) -> Result<Result<Millis, Refusal>, Stop> {
    // Users may be with it already, and stay there while it is asked.
    let leg = &Leg { guard: None, ..leg.clone() };
    let values = values(this, leg, url);
    let mut held = f.now();
    for (index, check) in this.environment.health.iter().enumerate() {
        let check = filled(check, &values).map_err(|refusal| refused_step("health", refusal))?;
        let patience = Patience::Retries(AGAIN);
        if let Err(report) = ask(f, this, leg, &format!("{name}.health.{index}"), &check, patience)? {
            return Ok(Err(unhealthy(&check, &report)));
        }
        if index == 0 {
            held = held_at(f, &leg.step(&format!("{name}.health.held")))?;
        }
    }
    Ok(Ok(held))
}

fn held_at(f: &mut Flow, step: &str) -> Result<Millis, Stop> {
    let now = f.now();
    f.record(step, || now)
}

/// The check with every placeholder filled in.
pub(in crate::workflow) fn filled(check: &HealthCheck, values: &Values) -> Result<HealthCheck, Refusal> {
    let place = fill_address(check.place(), values).map_err(|why| {
        let fix = format!("Mend `url` or `address` of the health check in {CONFIG_PATH}.");
        Refusal::user("health_url_invalid", format!("The health check's address cannot be filled in: {why}."), fix)
    })?;
    Ok(check.at(place))
}

/// How long a check is tried again.
#[derive(Clone, Copy)]
enum Patience {
    Until(Millis),
    Retries(u32),
}

/// Asks until the check holds; the last answer if it does not. `name` is unique in the leg.
fn ask(
    f: &mut Flow,
    this: &Deployment,
    leg: &Leg,
    name: &str,
    check: &HealthCheck,
    patience: Patience,
) -> Result<Result<(), ProbeAnswer>, Stop> {
    f.fold(
        &leg.step(name),
        || 0_u32,
        |f, round| {
            leg.keep_users_out(f)?;
            let call = Call::Probe(ProbeCall {
                check: check.clone(),
                version: leg.subject.version.clone(),
                sha: leg.subject.sha.clone(),
                environment: this.input.environment.to_string(),
            });
            let report: ProbeAnswer = f.step("probe", &call)?;
            if report.ok {
                return Ok(Turn::End(Ok(())));
            }
            let now = f.now();
            let next: Millis = f.record("next", || now.plus(check.interval()))?;
            let over = match patience {
                Patience::Until(deadline) => next > deadline,
                Patience::Retries(retries) => round >= retries,
            };
            if report.hopeless || over {
                return Ok(Turn::End(Err(report)));
            }
            match f.sleep_until("wait", next) {
                // The way back is gone to its end.
                Err(Stop::Failed(failure)) if failure.refusal.code == "cancelled" && !leg.prefix.is_empty() => {}
                other => other?,
            }
            Ok(Turn::Next(round.saturating_add(1)))
        },
    )
}

fn failed(name: &str, report: &ProbeAnswer) -> Refusal {
    let fix = report.fix.clone().unwrap_or_else(|| "Look at the service's log, mend it, and re-run this check.".to_owned());
    Refusal::user(&report.code, format!("The smoke test \"{}\" failed: {}", plain(name), report.reason), fix)
}

fn unhealthy(check: &HealthCheck, report: &ProbeAnswer) -> Refusal {
    let fix = report.fix.clone().unwrap_or_else(|| "Look at the service's log, mend it, and re-run this check.".to_owned());
    Refusal::user(&report.code, format!("{} is not healthy: {}", check.place(), report.reason), fix)
}
