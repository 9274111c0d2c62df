//! Several metrics of one environment as one verdict.

use super::Verdict;
use crate::domain::Millis;

/// Most of a reason that is kept, in characters.
const LONGEST: usize = 600;

/// The worst there is: failed, then inconclusive, then running, and passed only if all have. No metric at all is no pass.
/// Names are for people.
pub fn combine<'v>(verdicts: impl IntoIterator<Item = (&'v str, &'v Verdict)>) -> Verdict {
    let (mut failed, mut unclear): (Vec<Found<'_>>, Vec<Found<'_>>) = (Vec::new(), Vec::new());
    let (mut next, mut any) = (None::<Millis>, false);
    for (name, verdict) in verdicts {
        any = true;
        match verdict {
            Verdict::Running { next_at } => next = Some(next.map_or(*next_at, |other| other.min(*next_at))),
            Verdict::Passed => {}
            Verdict::Failed { code, reason } => failed.push(Found { name, code, reason }),
            Verdict::Inconclusive { code, reason } => unclear.push(Found { name, code, reason }),
        }
    }
    match (failed.first(), unclear.first(), next) {
        (Some(first), _, _) => Verdict::failed(first.code, told(&failed)),
        (None, Some(first), _) => Verdict::inconclusive(first.code, told(&unclear)),
        (None, None, Some(next_at)) => Verdict::Running { next_at },
        (None, None, None) if any => Verdict::Passed,
        (None, None, None) => Verdict::inconclusive("analysis_empty", "nothing was measured"),
    }
}

struct Found<'v> {
    name: &'v str,
    code: &'v str,
    reason: &'v str,
}

fn told(all: &[Found<'_>]) -> String {
    let text = all.iter().map(|found| format!("{}: {}", found.name, found.reason)).collect::<Vec<_>>().join("; ");
    if text.chars().count() <= LONGEST { text } else { text.chars().take(LONGEST - 1).chain(['…']).collect() }
}
