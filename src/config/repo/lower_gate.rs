//! Gates, and the keys of an environment that become gates, from the file as written to their policies; see [`super::lower`].

use super::lower::span;
use super::policies::{
    After, ApprovalsPolicy, AttestationPolicy, ChecksPolicy, ConfigurationPeer, GatePolicy, HttpGate, PeerGate, Window,
    WindowPolicy,
};
use super::raw_gate::{self as raw, Gate};
use super::text::{self, Timezone};
use super::window::WindowSpan;
use crate::domain::EnvName;

pub(super) fn gates(raw: Option<Vec<Gate>>) -> Result<Option<Vec<GatePolicy>>, String> {
    raw.map(|list| list.into_iter().map(gate).collect()).transpose()
}

fn gate(raw: Gate) -> Result<GatePolicy, String> {
    Ok(match raw {
        Gate::Tag {} => GatePolicy::Tag,
        Gate::Commits {} => GatePolicy::Commits,
        Gate::Checks { names, wait, deadline } => {
            GatePolicy::Checks(ChecksPolicy { names, wait: span(&wait)?, deadline: span(&deadline)? })
        }
        Gate::Peer { peer, tool, arguments, expect, required, within, interval } => GatePolicy::Peer(PeerGate {
            peer,
            tool,
            arguments,
            expect: expect.0,
            required,
            within: span(&within)?,
            interval: span(&interval)?,
        }),
        Gate::Order {} => GatePolicy::Order,
        Gate::Soak { environment, soak, deadline } => GatePolicy::Soak(after(raw::After { environment, soak, deadline })?),
        Gate::Window { allow, deny, timezone } => {
            GatePolicy::Window(WindowPolicy { windows: vec![window(raw::Window { allow, deny, timezone })?] })
        }
        Gate::Http { url, expect, timeout, within, interval } => GatePolicy::Http(HttpGate {
            url,
            expect: expect.0,
            timeout: span(&timeout)?,
            within: span(&within)?,
            interval: span(&interval)?,
        }),
        Gate::Attestation { workflow, assets, deadline } => GatePolicy::Attestation(AttestationPolicy {
            workflow: workflow.map(|text::Workflow(name)| name),
            assets: assets.0,
            deadline: span(&deadline)?,
        }),
        Gate::Approvals { count, teams, users, not_author, expiry } => {
            GatePolicy::Approvals(approvals(raw::Approvals { count, teams, users, not_author, expiry })?)
        }
    })
}

pub(super) fn configuration(raw: raw::Configuration) -> ConfigurationPeer {
    let raw::Configuration { peer, tool, arguments } = raw;
    ConfigurationPeer { peer, tool, arguments }
}

pub(super) fn after(raw: raw::After) -> Result<After, String> {
    Ok(After {
        environment: EnvName::parse(&raw.environment.0).map_err(|e| e.to_string())?,
        soak: span(&raw.soak)?,
        deadline: span(&raw.deadline)?,
    })
}

pub(super) fn window(raw: raw::Window) -> Result<Window, String> {
    let part = |span: Option<text::WindowSpan>| span.map(|text| WindowSpan::parse(&text.0)).transpose();
    let Timezone(timezone) = raw.timezone;
    Ok(Window { allow: part(raw.allow)?, deny: part(raw.deny)?, timezone })
}

pub(super) fn approvals(raw: raw::Approvals) -> Result<ApprovalsPolicy, String> {
    Ok(ApprovalsPolicy {
        count: raw.count,
        teams: raw.teams.into_iter().map(|slug| slug.0).collect(),
        users: raw.users.into_iter().map(|login| login.0).collect(),
        not_author: raw.not_author,
        expiry: span(&raw.expiry)?,
    })
}
