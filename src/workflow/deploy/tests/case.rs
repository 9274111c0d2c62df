//! What one deployment goes through in the model world.

use crate::config::repo::Rollback;
use proptest::prelude::*;

/// Commits of the default branch by their place in it.
pub const OLDER: u8 = 1;
pub const BAD: u8 = 2;
pub const PINNED: u8 = 3;
pub const NEWER: u8 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Direct,
    BlueGreen,
    Gradual,
}

/// Who brings versions up, and moves users where there is no balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Hook,
    Workflow,
    /// Acts when the deployment is made, and reports on it.
    Reporter,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    Person,
    Tag,
    /// A key of an agent, which may have ended meanwhile.
    Key {
        good: bool,
    },
}

/// What is live before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    Nothing,
    Live(u8),
    /// `OLDER` in blue, and a tenth of all users with `BAD` in green.
    Halted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployer {
    Succeeds,
    Fails,
    Hangs,
    /// Says that it is done, with another commit.
    Lies,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    Good,
    Bad,
    Nothing,
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    Abort,
    Pause,
    Resume,
    Promote,
    Wake,
    Report,
    /// The balancer comes back with the weights of its own file.
    Restart,
}

/// What becomes of a call that does not simply work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It works after a while.
    Slow,
    Refused,
    /// Given up; it was done all the same.
    DoneUnknown,
    /// Given up, and not done.
    Lost,
    /// GitHub answers with another commit.
    OtherSha,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    BeforeAct,
    /// It was done, and nobody knows.
    Unrecorded,
    Recorded,
}

#[derive(Clone, Debug)]
pub struct Case {
    pub kind: Kind,
    pub balancer: bool,
    pub by: By,
    pub rollback: Rollback,
    pub health: bool,
    pub analysis: bool,
    /// By the balancer's counters, where there is one.
    pub counts: bool,
    pub before: Before,
    /// It goes back itself.
    pub back: bool,
    pub asks: Asks,
    /// When the required check passes, in seconds; nothing: it cannot be read, ever.
    pub green_after: Option<u16>,
    /// Another run holds the lock for so long.
    pub locked_for: u16,
    pub deployer: Deployer,
    pub back_works: bool,
    pub takes: u16,
    /// The new copy is unhealthy from here to there, in seconds after it came up.
    pub sick: (u16, u16),
    pub old_dies: Option<u16>,
    pub numbers: Numbers,
    pub said: Vec<(u16, Said)>,
    /// A call whose name falls into this part of all names.
    pub troubles: Vec<(u8, Trouble)>,
    /// Before this timer the clock jumps, so that it is late.
    pub jumps: Vec<(u8, u16)>,
    pub crashes: Vec<(u8, Crash)>,
}

impl Case {
    /// All goes well.
    pub fn good(kind: Kind) -> Self {
        Self {
            kind,
            balancer: true,
            by: By::Hook,
            rollback: Rollback::Automatic,
            health: true,
            analysis: true,
            counts: false,
            before: Before::Live(OLDER),
            back: false,
            asks: Asks::Person,
            green_after: Some(0),
            locked_for: 0,
            deployer: Deployer::Succeeds,
            back_works: true,
            takes: 0,
            sick: (0, 0),
            old_dies: None,
            numbers: Numbers::Good,
            said: Vec::new(),
            troubles: Vec::new(),
            jumps: Vec::new(),
            crashes: Vec::new(),
        }
    }

    pub fn in_place(&self) -> bool {
        self.kind == Kind::Direct
    }

    pub fn balanced(&self) -> bool {
        self.balancer && !self.in_place()
    }

    /// Who acts on a deployment cannot be told of every share.
    pub fn target(&self) -> By {
        match self.by {
            By::Reporter if !self.in_place() && !self.balancer => By::Hook,
            by => by,
        }
    }

    pub fn counted(&self) -> bool {
        self.counts && self.balanced()
    }

    pub fn config(&self) -> String {
        let strategy = match self.kind {
            Kind::Direct => "\"direct\"",
            Kind::BlueGreen => "{ kind = \"blue_green\", bake = \"70s\" }",
            Kind::Gradual => {
                "{ kind = \"gradual\", steps = [{ weight = 10, bake = \"70s\" }, { weight = 60, bake = \"10s\" }] }"
            }
        };
        let rollback = match self.rollback {
            Rollback::Automatic => "automatic",
            Rollback::Manual => "manual",
            Rollback::Forbidden => "forbidden",
        };
        let mut text = format!(
            "[environments.live]\non = [\"manual\"]\ntarget = \"cluster\"\nstrategy = {strategy}\nagents = \"allow\"\nrollback = \"{rollback}\"\ngates \
             = [{{ kind = \"checks\", names = [\"build\"] }}]\n"
        );
        if self.balanced() {
            text += "traffic = { kind = \"haproxy\", balancer = \"edge\", backend = \"web\", slots = { blue = [\"b\"], green = \
                     [\"g\"] } }\n";
        }
        if self.health {
            text += "[[environments.live.health]]\nkind = \"http\"\nurl = \"http://{{ slot }}.copy/\"\nwithin = \
                     \"2m\"\ninterval = \"10s\"\n";
        }
        if self.analysis {
            text += "[[environments.live.analysis]]\ninterval = \"30s\"\ncount = 2\n";
            text += match self.counted() {
                true => "kind = \"haproxy\"\nexpect = \"error_rate < 0.5\"\n",
                false => "kind = \"prometheus\"\nprometheus = \"main\"\nquery = \"q\"\nexpect = \"value < 1.0\"\n",
            };
        }
        let target = match self.target() {
            By::Hook => "kind = \"http\"\nhook = \"deployer\"\ninterval = \"1m\"\n",
            By::Workflow => "kind = \"workflow\"\nworkflow = \"deploy.yml\"\n",
            By::Reporter => "kind = \"deployment\"\nreporters = [\"deployer[bot]\", \"team:ops\"]\n",
        };
        format!("{text}[targets.cluster]\ntimeout = \"10m\"\n{target}")
    }
}

fn one_of<T: Clone + std::fmt::Debug + 'static>(all: &[T]) -> impl Strategy<Value = T> + use<T> {
    proptest::sample::select(all.to_vec())
}

/// Mostly good news, so that late phases are reached.
fn place() -> impl Strategy<Value = Case> {
    let kind = one_of(&[Kind::Direct, Kind::BlueGreen, Kind::Gradual, Kind::Gradual]);
    let rollback = one_of(&[Rollback::Automatic, Rollback::Automatic, Rollback::Manual, Rollback::Forbidden]);
    let live = Before::Live;
    let before = one_of(&[live(OLDER), live(OLDER), live(OLDER), live(NEWER), Before::Nothing, Before::Halted]);
    let chance = || prop::bool::weighted(0.75);
    let green = prop_oneof![6 => Just(Some(0)), 2 => (1_u16..600).prop_map(Some), 1 => Just(None)];
    let locked = prop_oneof![3 => Just(0), 1 => 1_u16..400];
    let key = |good| Asks::Key { good };
    let asks = one_of(&[Asks::Person, Asks::Person, Asks::Person, Asks::Tag, Asks::Tag, key(true), key(false)]);
    let asked = (prop::bool::weighted(0.15), asks, green, locked);
    let by = one_of(&[By::Hook, By::Hook, By::Workflow, By::Reporter]);
    let analysis = (chance(), any::<bool>());
    (kind, (chance(), by), rollback, chance(), analysis, before, asked).prop_map(
        move |(kind, (balancer, by), rollback, health, (analysis, counts), before, (back, asks, green_after, locked_for))| {
            // Halves are for slots; a way back goes to what was live before something newer.
            let before = if before == Before::Halted && kind == Kind::Direct { live(OLDER) } else { before };
            let before = if back { live(NEWER) } else { before };
            let good = Case::good(kind);
            Case { balancer, by, rollback, health, analysis, counts, before, back, asks, green_after, locked_for, ..good }
        },
    )
}

pub fn cases() -> impl Strategy<Value = Case> {
    let deployer = prop_oneof![
        9 => Just(Deployer::Succeeds), 1 => Just(Deployer::Fails), 1 => Just(Deployer::Hangs), 1 => Just(Deployer::Lies)
    ];
    let numbers = prop_oneof![
        6 => Just(Numbers::Good), 2 => Just(Numbers::Bad), 1 => Just(Numbers::Nothing), 1 => Just(Numbers::Broken)
    ];
    let sick = prop_oneof![2 => Just((0, 0)), 1 => (0_u16..300, 0_u16..300)];
    let old_dies = prop_oneof![4 => Just(None), 1 => (0_u16..500).prop_map(Some)];
    let world = (deployer, prop::bool::weighted(0.7), 0_u16..200, sick, old_dies, numbers);
    let words = one_of(&[Said::Abort, Said::Pause, Said::Resume, Said::Promote, Said::Wake, Said::Report, Said::Restart]);
    let troubles = [Trouble::Slow, Trouble::Refused, Trouble::DoneUnknown, Trouble::Lost, Trouble::OtherSha];
    let events = (
        prop::collection::vec((0_u16..500, words), 0..4),
        prop::collection::vec((0_u8..PARTS, one_of(&troubles)), 0..3),
        prop::collection::vec((0_u8..80, 0_u16..1000), 0..3),
    );
    (place(), world, events).prop_map(|(place, (deployer, back_works, takes, sick, old_dies, numbers), events)| {
        let (said, troubles, jumps) = events;
        Case { deployer, back_works, takes, sick, old_dies, numbers, said, troubles, jumps, ..place }
    })
}

pub fn crashes() -> impl Strategy<Value = Vec<(u8, Crash)>> {
    let how = one_of(&[Crash::BeforeAct, Crash::Unrecorded, Crash::Recorded]);
    prop::collection::vec((0_u8..60, how), 1..6)
}

/// Names of calls are divided into so many parts.
pub const PARTS: u8 = 40;

/// FNV-1a.
pub fn part(step: &str) -> u8 {
    let hash =
        step.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    u8::try_from(hash % u64::from(PARTS)).unwrap()
}
