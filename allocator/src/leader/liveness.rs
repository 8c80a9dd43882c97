//! Who has been silent for too long. Clocks decide when somebody looks, never what is true: the
//! observation goes into the log as a command.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use command_log::telemetry::Sample;
use log_schema::{AgentId, command::MarkAgentUnreachableV1};
use tokio::{
    sync::broadcast::{self, error::TryRecvError},
    time::{Instant, Interval, MissedTickBehavior},
};

use super::Config;
use crate::state::State;

/// How often the leader looks for silence, as a part of the silence that it tolerates.
const LOOKS_PER_SILENCE: u32 = 4;

/// When each agent was heard last.
pub(super) struct Liveness {
    tolerated: Option<(Duration, Interval)>,
    samples: broadcast::Receiver<Arc<Sample>>,
    heard: BTreeMap<AgentId, Instant>,
}

impl Liveness {
    pub fn new(config: &Config) -> Self {
        let tolerated = config.agent_silent_after.map(|silence| {
            let period = (silence / LOOKS_PER_SILENCE).max(Duration::from_millis(10));
            let mut looks = tokio::time::interval_at(Instant::now() + period, period);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            (silence, looks)
        });
        Self { tolerated, samples: config.telemetry.subscribe(), heard: BTreeMap::new() }
    }

    /// Resolves when it is time to look.
    pub async fn next_look(&mut self) {
        match &mut self.tolerated {
            Some((_, looks)) => drop(looks.tick().await),
            None => std::future::pending().await,
        }
    }

    /// The agents that are up and have been silent for too long. An agent that was never heard is
    /// counted from the first look at it, so that a new leader gives everybody time.
    pub fn silent(&mut self, state: &State) -> Vec<MarkAgentUnreachableV1> {
        let Some(tolerated) = self.tolerated.as_ref().map(|(silence, _)| *silence) else { return Vec::new() };
        let silent = self.silent_for(tolerated, state);
        // What was said needs not be said again while it waits for its decision.
        for mark in &silent {
            self.heard.remove(&mark.agent);
        }
        silent
    }

    /// Gives everybody time anew: it was the leader that could not hear.
    pub fn begin_again(&mut self) {
        self.heard.clear();
    }

    fn silent_for(&mut self, tolerated: Duration, state: &State) -> Vec<MarkAgentUnreachableV1> {
        let now = Instant::now();
        self.listen(now);
        let mut silent = Vec::new();
        let mut heard = BTreeMap::new();
        for agent in state.agents.iter().filter(|agent| agent.is_up()) {
            let last = self.heard.get(&agent.id).copied().unwrap_or(now);
            let silence = now.saturating_duration_since(last);
            if silence > tolerated {
                let silent_ms = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
                silent.push(MarkAgentUnreachableV1 { agent: agent.id.clone(), silent_ms });
            }
            heard.insert(agent.id.clone(), last);
        }
        self.heard = heard;
        silent
    }

    /// Whether an agent has been silent for so much longer than is tolerated that a leader would have said so.
    pub fn is_anyone_silent(&mut self, state: &State, longer: Duration) -> bool {
        let Some(tolerated) = self.tolerated.as_ref().map(|(silence, _)| *silence + longer) else { return false };
        !self.silent_for(tolerated, state).is_empty()
    }

    /// Takes in the samples that came since the last look.
    fn listen(&mut self, now: Instant) {
        loop {
            match self.samples.try_recv() {
                Ok(sample) => drop(self.heard.insert(sample.agent.clone(), now)),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }
}
