//! How long chaos lasts, and chance that can be repeated.

use std::{
    fmt,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::parts::Shape;

/// What is to happen. The run ends when there were kills and acks enough, or the time is up.
pub(crate) struct Plan {
    /// `QUIPU_CHAOS_SEED`: of whom is killed when; else the clock's.
    pub(crate) seed: u64,
    /// `QUIPU_CHAOS_BROKERS`: 1 or 3.
    brokers: u64,
    /// `QUIPU_CHAOS_CLIENTS`: how many ask at once.
    pub(crate) clients: u64,
    /// `QUIPU_CHAOS_KILLS` and `QUIPU_CHAOS_COMMANDS`: what is enough.
    kills: u64,
    commands: u64,
    /// `QUIPU_CHAOS_S`: when the time is up, in seconds.
    time: Duration,
    begun: Instant,
}

impl Plan {
    /// What the environment says; a minute where it says nothing.
    pub(crate) fn of_environment() -> Self {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            seed: asked("SEED", u64::from(clock.subsec_nanos())),
            brokers: asked("BROKERS", 1),
            clients: asked("CLIENTS", 16),
            kills: asked("KILLS", 12),
            commands: asked("COMMANDS", 10_000),
            time: Duration::from_secs(asked("S", 60)),
            begun: Instant::now(),
        }
    }

    /// Three allocators, so that there is one to take over while another is away; agents may fall silent.
    pub(crate) fn shape(&self) -> Shape {
        Shape {
            brokers: u32::try_from(self.brokers).expect("1 or 3"),
            allocators: 3,
            gateways: 2,
            allocator: &["--take-over-ms", "1000", "--agent-silent-ms", "0"],
            agent: Some(&["--id", "real", "--resources", "cpu=16 mem=16Gi", "--attribute", "real=yes"]),
        }
    }

    pub(crate) fn is_done(&self, kills: u64, acked: u64) -> bool {
        self.begun.elapsed() >= self.time || (kills >= self.kills && acked >= self.commands)
    }

    pub(crate) fn elapsed_s(&self) -> u64 {
        self.begun.elapsed().as_secs()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, brokers, clients, kills, commands, time, .. } = self;
        write!(
            f,
            "chaos: QUIPU_CHAOS_SEED={seed} QUIPU_CHAOS_BROKERS={brokers} QUIPU_CHAOS_CLIENTS={clients} \
             QUIPU_CHAOS_KILLS={kills} QUIPU_CHAOS_COMMANDS={commands} QUIPU_CHAOS_S={}",
            time.as_secs()
        )
    }
}

fn asked(name: &str, default: u64) -> u64 {
    let name = format!("QUIPU_CHAOS_{name}");
    let Ok(text) = std::env::var(&name) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{name} is {text}, and should be a number"))
}

/// SplitMix64: the same numbers for the same seed, for ever.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut n = self.0;
        n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (n ^ (n >> 31)) % end
    }

    /// A time of so many milliseconds at least, and fewer than so many.
    pub(crate) fn millis(&mut self, low: u64, end: u64) -> Duration {
        Duration::from_millis(low + self.below(end - low))
    }
}
