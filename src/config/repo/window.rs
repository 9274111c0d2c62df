//! Times of the week: `Fri 15:00 - Mon 07:00`, `22:00 - 06:00` (every day), `Mon-Fri 09:00 - 17:00`; and the zones in which
//! they are read.
//!
//! Invariants: a [`WindowSpan`] is longer than nothing and shorter than a week; it holds its beginning and not its end. An end
//! without a day is the first such time after the beginning. Zones come from the database that this program was built with,
//! never from the machine, so that every copy of one version decides alike.

use crate::config::suggest::nearest;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DAY: u16 = 24 * 60;
/// Minutes of a week.
pub const WEEK: u16 = 7 * DAY;

/// Times of the week by a clock on the wall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WindowSpan {
    text: String,
    parts: Vec<Part>,
}

/// In minutes; `from` counts from Monday 00:00.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    from: u16,
    length: u16,
}

impl WindowSpan {
    /// The error is half a sentence that follows "is not valid:".
    pub fn parse(text: &str) -> Result<Self, String> {
        let shape =
            || "a window is written like `Fri 15:00 - Mon 07:00`, `22:00 - 06:00` or `Mon-Fri 09:00 - 17:00`".to_owned();
        // The hyphen in the middle is the first one after a time; one before it stands between days.
        let time = text.find(':').ok_or_else(shape)?;
        let (from, to) = text[time..].split_once('-').map(|(rest, to)| (&text[..time + rest.len()], to)).ok_or_else(shape)?;
        let (days, from) = moment(from.trim()).ok_or_else(shape)?;
        let (last_day, to) = moment(to.trim()).ok_or_else(shape)?;
        if from == to && (last_day.is_none() || days == last_day) {
            return Err("a window ends at another time than it begins".into());
        }
        let part = |day: u16, end: u16| {
            let from = day * DAY + from;
            Part { from, length: (end + WEEK - from) % WEEK }
        };
        let next = |day: u16| if to > from { day * DAY + to } else { (day * DAY + DAY + to) % WEEK };
        let parts = match (days, last_day) {
            (Some((day, same)), Some((end, also))) if day == same && end == also => vec![part(day, end * DAY + to)],
            (None, None) => (0..7).map(|day| part(day, next(day))).collect(),
            (Some((first, last)), None) => {
                let count = (last + 7 - first) % 7;
                (first..=first + count).map(|day| part(day % 7, next(day % 7))).collect()
            }
            _ => return Err(shape()),
        };
        Ok(Self { text: text.to_owned(), parts })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a minute, counted from Monday 00:00, lies inside.
    pub fn contains(&self, minute: u16) -> bool {
        self.parts.iter().any(|part| (minute + WEEK - part.from) % WEEK < part.length)
    }

    /// The minutes, counted from Monday 00:00, at which it begins or ends.
    pub fn edges(&self) -> impl Iterator<Item = u16> {
        self.parts.iter().flat_map(|part| [part.from, (part.from + part.length) % WEEK])
    }
}

impl TryFrom<String> for WindowSpan {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<WindowSpan> for String {
    fn from(span: WindowSpan) -> String {
        span.text
    }
}

/// First and last day, if any is named, and the minute of the day.
fn moment(text: &str) -> Option<(Option<(u16, u16)>, u16)> {
    let (days, clock) = match text.rsplit_once(' ') {
        Some((days, clock)) => (Some(days.trim_end()), clock),
        None => (None, text),
    };
    let days = match days {
        None => None,
        Some(days) => match days.split_once('-') {
            Some((first, last)) => Some((day(first)?, day(last)?)),
            None => Some((day(days)?, day(days)?)),
        },
    };
    let (hours, minutes) = clock.split_once(':')?;
    Some((days, small(hours, 24)? * 60 + small(minutes, 60)?))
}

fn day(text: &str) -> Option<u16> {
    DAYS.iter().zip(0..).find(|(name, _)| **name == text).map(|(_, number)| number)
}

/// Two digits below the limit.
fn small(text: &str, limit: u16) -> Option<u16> {
    let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|number| *number < limit)
}

/// A zone of the IANA database by its name.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

/// Says why there is no such zone, as half a sentence that follows "is not valid:".
pub(super) fn check_time_zone(name: &str) -> Result<(), String> {
    let part = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b));
    if name.len() > 64 || !name.split('/').all(part) {
        return Err("a time zone is written like `Europe/Berlin` or `UTC`".into());
    }
    if time_zone(name).is_some() {
        return Ok(());
    }
    let database = TimeZoneDatabase::bundled();
    let names: Vec<String> = database.available().map(|n| n.as_str().to_owned()).collect();
    let lower: Vec<String> = names.iter().map(|n| n.to_lowercase()).collect();
    let near = nearest(name, &lower.iter().map(String::as_str).collect::<Vec<_>>());
    let near = near.and_then(|near| names.iter().find(|n| n.to_lowercase() == near));
    let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    Err(format!("the IANA database knows no time zone of this name{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: u16, hour: u16, minute: u16) -> u16 {
        day * DAY + hour * 60 + minute
    }

    #[test]
    fn spans_hold_their_beginning_and_not_their_end() {
        for (text, inside, outside) in [
            ("Fri 15:00 - Mon 07:00", vec![at(4, 15, 0), at(6, 12, 0), at(0, 6, 59)], vec![at(4, 14, 59), at(0, 7, 0)]),
            ("Mon 07:00 - Mon 06:00", vec![at(0, 7, 0), at(0, 5, 59)], vec![at(0, 6, 0), at(0, 6, 59)]),
            ("22:00 - 06:00", vec![at(6, 22, 0), at(0, 5, 59), at(3, 0, 0)], vec![at(3, 6, 0), at(3, 21, 59)]),
            ("09:00 - 17:00", vec![at(0, 9, 0), at(6, 16, 59)], vec![at(0, 8, 59), at(6, 17, 0)]),
            ("Mon-Fri 09:00-17:00", vec![at(0, 9, 0), at(4, 16, 59)], vec![at(5, 9, 0), at(4, 17, 0), at(6, 12, 0)]),
            ("Sat-Mon 22:00 - 02:00", vec![at(5, 22, 0), at(1, 1, 59), at(0, 0, 0)], vec![at(1, 2, 0), at(1, 22, 0)]),
            ("Sun 23:00 - 01:00", vec![at(6, 23, 0), at(0, 0, 59)], vec![at(0, 1, 0), at(6, 22, 59)]),
        ] {
            let span = WindowSpan::parse(text).unwrap();
            assert!(inside.iter().all(|m| span.contains(*m)), "{text}");
            assert!(!outside.iter().any(|m| span.contains(*m)), "{text}");
            let json = serde_json::to_value(&span).unwrap();
            assert_eq!((json.as_str(), serde_json::from_value(json.clone()).ok()), (Some(text), Some(span)));
        }
    }

    /// Between two edges nothing changes.
    #[test]
    fn edges_are_where_it_changes() {
        for text in ["Fri 15:00 - Mon 07:00", "22:00 - 06:00", "Mon-Fri 09:00 - 17:00", "Sat-Mon 22:00 - 02:00"] {
            let span = WindowSpan::parse(text).unwrap();
            let edges: Vec<u16> = span.edges().collect();
            for minute in 0..WEEK {
                let before = (minute + WEEK - 1) % WEEK;
                assert_eq!(span.contains(minute) != span.contains(before), edges.contains(&minute), "{text} {minute}");
            }
        }
    }

    #[test]
    fn what_is_no_window() {
        for text in [
            "",
            "Friday",
            "Fri 15:00",
            "Fri 15:00 - ",
            "Fri 24:00 - Mon 07:00",
            "Fri +1:00 - Mon 07:00",
            "Fri 1:00 - Mon 07:00",
            "fri 15:00 - Mon 07:00",
            "15:00 - Mon 07:00",
            "Mon-Fri 09:00 - Fri 17:00",
            "Mon-Fri 09:00 - Mon-Fri 17:00",
            "Fri 15:00 - Fri 15:00",
            "15:00 - 15:00",
            "Mon-Fri 15:00 - 15:00",
            "Fri 15:00 - Mon 07:00 - Tue 08:00",
            "Fri 15:00 – Mon 07:00",
            "é:-",
            "Mon 09:00:00 - 10:00",
        ] {
            assert!(WindowSpan::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn zones_are_known_without_the_machine() {
        assert!(["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+3"].iter().all(|n| time_zone(n).is_some()));
        assert_eq!(check_time_zone("Europe/Berln").unwrap_err().split("mean ").last(), Some("`Europe/Berlin`?"));
        assert!(["Mars/Olympus", "", "../UTC", "Europe//Berlin", "+02:00"].iter().all(|n| check_time_zone(n).is_err()));
    }
}
