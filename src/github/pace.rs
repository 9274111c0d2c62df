//! How fast one installation may call: exact sliding windows over what was sent, pure.
//!
//! Invariant: in no window of the given length were more units admitted than its limit. A second is added to each window,
//! because GitHub counts arrivals, not departures.

use super::config::Pacing;
use super::operations::Cost;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// One limit: at most `limit` units in `span`.
struct Window {
    span: Duration,
    limit: u32,
    used: u32,
    sent: VecDeque<(Instant, u32)>,
}

impl Window {
    fn new(span: Duration, limit: u32) -> Self {
        Self { span, limit, used: 0, sent: VecDeque::new() }
    }

    fn expire(&mut self, now: Instant) {
        while let Some(&(at, units)) = self.sent.front() {
            if now.duration_since(at) < self.span {
                break;
            }
            self.used -= units;
            self.sent.pop_front();
        }
    }

    /// How long until `units` fit; zero if they fit now. What is `spare` has half of the limit.
    fn wait(&mut self, now: Instant, units: u32, spare: bool) -> Duration {
        self.expire(now);
        let limit = if spare { self.limit / 2 } else { self.limit };
        let mut over = (self.used + units).saturating_sub(limit);
        if over == 0 {
            return Duration::ZERO;
        }
        for &(at, sent) in &self.sent {
            over = over.saturating_sub(sent);
            if over == 0 {
                return (at + self.span).duration_since(now);
            }
        }
        // More than the whole limit at once: admitted alone.
        self.sent.back().map_or(Duration::ZERO, |&(at, _)| (at + self.span).duration_since(now))
    }

    fn take(&mut self, now: Instant, units: u32) {
        self.used += units;
        self.sent.push_back((now, units));
    }
}

/// The windows of one installation.
pub(super) struct Pace {
    content_minute: Window,
    content_hour: Window,
    points: Window,
    /// After a secondary limit nothing is sent before this.
    held_until: Option<Instant>,
}

/// Whether a call may go now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is counted as sent.
    Go,
    Wait(Duration),
}

impl Pace {
    pub fn new(limits: &Pacing) -> Self {
        let second = limits.minute / 60;
        let (minute, hour) = (limits.minute + second, limits.minute * 60 + second);
        Self {
            content_minute: Window::new(minute, limits.content_per_minute),
            content_hour: Window::new(hour, limits.content_per_hour),
            points: Window::new(minute, limits.points_per_minute),
            held_until: None,
        }
    }

    /// How long a call would have to wait now.
    pub fn look(&mut self, now: Instant, cost: Cost, spare: bool) -> Duration {
        self.wait(now, cost, spare)
    }

    /// Admits and counts a call, or says how long it has to wait.
    pub fn admit(&mut self, now: Instant, cost: Cost, spare: bool) -> Admission {
        let wait = self.wait(now, cost, spare);
        if wait > Duration::ZERO {
            return Admission::Wait(wait);
        }
        match cost {
            // GraphQL has a point budget of its own, which GitHub counts by cost; the quota headers tell it.
            Cost::Query => {}
            Cost::Read => self.points.take(now, 1),
            Cost::Write | Cost::Content => {
                self.points.take(now, 5);
                self.content_minute.take(now, 1);
                self.content_hour.take(now, 1);
            }
        }
        Admission::Go
    }

    fn wait(&mut self, now: Instant, cost: Cost, spare: bool) -> Duration {
        let held = self.held_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let paced = match cost {
            Cost::Query => Duration::ZERO,
            Cost::Read => self.points.wait(now, 1, spare),
            Cost::Write => self.points.wait(now, 5, spare),
            Cost::Content => {
                let content = self.content_minute.wait(now, 1, spare).max(self.content_hour.wait(now, 1, spare));
                content.max(self.points.wait(now, 5, spare))
            }
        };
        held.max(paced)
    }

    /// GitHub asked this installation to slow down.
    pub fn hold(&mut self, now: Instant, span: Duration) {
        let until = now + span;
        self.held_until = Some(self.held_until.map_or(until, |old| old.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Pacing = Pacing {
        content_per_minute: 80,
        content_per_hour: 500,
        points_per_minute: 900,
        minute: Duration::from_secs(60),
        longest_wait: Duration::ZERO,
    };

    #[test]
    fn content_stops_at_80_a_minute_and_500_an_hour() {
        let (mut pace, start) = (Pace::new(&LIMITS), Instant::now());
        for _ in 0..80 {
            assert_eq!(pace.admit(start, Cost::Content, false), Admission::Go);
        }
        assert_eq!(pace.admit(start, Cost::Content, false), Admission::Wait(Duration::from_secs(61)));
        assert_eq!(pace.admit(start, Cost::Query, false), Admission::Go, "reads go on");
        let mut now = start;
        let mut sent = 80;
        while now < start + Duration::from_secs(3600) {
            now += Duration::from_secs(1);
            while pace.admit(now, Cost::Content, false) == Admission::Go {
                sent += 1;
            }
        }
        assert_eq!(sent, 500);
    }

    /// GitHub may count what is taken away as well.
    #[test]
    fn what_is_no_content_takes_of_its_room_and_does_not_wait_for_it() {
        let (mut pace, start) = (Pace::new(&LIMITS), Instant::now());
        for _ in 0..79 {
            assert_eq!(pace.admit(start, Cost::Content, false), Admission::Go);
        }
        for _ in 0..5 {
            assert_eq!(pace.admit(start, Cost::Write, false), Admission::Go);
        }
        assert_eq!(pace.admit(start, Cost::Content, false), Admission::Wait(Duration::from_secs(61)));
    }

    #[test]
    fn a_secondary_limit_holds_everything_back() {
        let (mut pace, start) = (Pace::new(&LIMITS), Instant::now());
        pace.hold(start, Duration::from_secs(60));
        pace.hold(start, Duration::from_secs(5));
        for cost in [Cost::Read, Cost::Write, Cost::Content, Cost::Query] {
            assert_eq!(pace.admit(start, cost, false), Admission::Wait(Duration::from_secs(60)));
        }
        assert_eq!(pace.admit(start + Duration::from_secs(60), Cost::Content, false), Admission::Go);
    }

    #[test]
    fn what_is_spare_leaves_half_to_the_others() {
        let (mut pace, start) = (Pace::new(&LIMITS), Instant::now());
        for _ in 0..40 {
            assert_eq!(pace.admit(start, Cost::Content, true), Admission::Go);
        }
        assert_eq!(pace.admit(start, Cost::Content, true), Admission::Wait(Duration::from_secs(61)));
        for _ in 0..40 {
            assert_eq!(pace.admit(start, Cost::Content, false), Admission::Go, "nobody waits for it");
        }
        assert_ne!(pace.admit(start + Duration::from_secs(30), Cost::Content, true), Admission::Go);
        let mut sent = 40;
        for second in 61..3600 {
            while pace.admit(start + Duration::from_secs(second), Cost::Content, true) == Admission::Go {
                sent += 1;
            }
        }
        assert_eq!(sent, 250 - 40, "what others have sent counts");
    }

    proptest! {
        /// Whatever the arrivals: no 60 s hold more than the limits, and a call that waited as told is admitted.
        #[test]
        fn no_window_is_ever_too_full(gaps in proptest::collection::vec((0u64..4_000, 0u8..3), 1..400)) {
            let limits = Pacing { content_per_minute: 7, content_per_hour: 30, points_per_minute: 60, ..LIMITS };
            let (mut pace, mut now) = (Pace::new(&limits), Instant::now());
            let mut log: Vec<(Instant, u32, u32)> = Vec::new();
            for (gap, kind) in gaps {
                now += Duration::from_millis(gap);
                let (cost, points, content) =
                    [(Cost::Read, 1, 0), (Cost::Write, 5, 1), (Cost::Content, 5, 1)][usize::from(kind)];
                if let Admission::Wait(wait) = pace.admit(now, cost, false) {
                    now += wait;
                    prop_assert_eq!(pace.admit(now, cost, false), Admission::Go);
                }
                log.push((now, points, content));
                let within = |span: u64| log.iter().filter(move |(at, ..)| now.duration_since(*at) < Duration::from_secs(span));
                prop_assert!(within(60).map(|x| x.1).sum::<u32>() <= 60);
                let full = within(60).map(|x| x.2).sum::<u32>() > 7 || within(3600).map(|x| x.2).sum::<u32>() > 30;
                prop_assert!(cost != Cost::Content || !full);
            }
        }
    }
}
