//! One record in, one answer out: the whole of the allocator as a function.

use log_schema::{
    AnswerV1, Command, DecisionV1, Envelope, Offset, Principal, Record, Refusal,
    command::{self, Speaker},
    decision::AskedV1,
};

use crate::{
    advance::advance,
    decide::{Emit, decide},
    state::State,
};

/// A record that no reader may pass: a newer program wrote it.
#[derive(Debug, thiserror::Error)]
#[error("cannot answer the record at offset {at}: install a newer version of this program")]
pub struct Unreadable {
    /// Where it is.
    pub at: Offset,
    /// What it is.
    pub source: command::Error,
}

/// Answers one record: decides the command in it and moves waiting work along.
///
/// `None` for epochs and decisions, which are not commands, and for ticks that changed nothing.
pub fn answer(state: &mut State, at: Offset, record: &Record) -> Result<Option<AnswerV1>, Unreadable> {
    match Command::from_record(record) {
        Ok((envelope, command)) => Ok(answer_command(state, at, record, &envelope, command)),
        Err(command::Error::NotACommand { .. }) => Ok(None),
        Err(command::Error::Malformed { source, .. }) => {
            let refusal = Refusal::Malformed { detail: source.to_string() };
            Ok(Some(finish(state, at, None, Err(refusal))))
        }
        Err(source) => Err(Unreadable { at, source }),
    }
}

/// Folds a recorded decision: what [`answer`] did to the state, without deciding again.
pub fn apply_decision(state: &mut State, decision: &DecisionV1) {
    for answer in &decision.answers {
        for event in &answer.events {
            state.apply(event);
        }
        if answer.repeats.is_none()
            && let Some(asked) = &answer.asked
        {
            remember(state, asked, answer.at);
        }
    }
}

fn answer_command(
    state: &mut State,
    at: Offset,
    record: &Record,
    envelope: &Envelope,
    command: Command,
) -> Option<AnswerV1> {
    let is_tick = matches!(command, Command::Tick(_));
    let asked = is_remembered(&command).then(|| asked(record, envelope));
    let answer = match asked.as_ref().and_then(|asked| known_before(state, asked)) {
        Some(Ok(first)) => AnswerV1 { repeats: Some(first), ..finish(state, at, None, Ok(None)) },
        Some(Err(refusal)) => finish(state, at, None, Err(refusal)),
        None => finish(state, at, asked, Ok(Some((command, &envelope.principal)))),
    };
    let silent = is_tick && answer.events.is_empty() && answer.refusal.is_none();
    (!silent).then_some(answer)
}

/// Decides the command, if there is one to decide, and moves waiting work along.
fn finish(
    state: &mut State,
    at: Offset,
    asked: Option<AskedV1>,
    decided: Result<Option<(Command, &Principal)>, Refusal>,
) -> AnswerV1 {
    let mut emit = Emit::new(state);
    let outcome = decided.and_then(|asked| asked.map_or(Ok(()), |(command, by)| decide(&mut emit, command, by)));
    advance(&mut emit);
    let events = emit.events;
    if let Some(asked) = &asked {
        remember(state, asked, at);
    }
    AnswerV1 { at, asked, refusal: outcome.err(), repeats: None, events }
}

/// Whether the command's key is remembered: those of clients are. What agents and the leader say is
/// idempotent by itself.
fn is_remembered(command: &Command) -> bool {
    match command.speaker() {
        Speaker::Client | Speaker::Framework => true,
        Speaker::Agent | Speaker::Leader => false,
    }
}

fn asked(record: &Record, envelope: &Envelope) -> AskedV1 {
    let bytes = record.kind.to_be_bytes().into_iter().chain(record.payload.iter().copied());
    AskedV1 { principal: envelope.principal.clone(), key: envelope.key.clone(), digest: fnv1a(bytes) }
}

/// Where the same command was answered before; a refusal where its key belongs to another one.
fn known_before(state: &State, asked: &AskedV1) -> Option<Result<Offset, Refusal>> {
    let (first, digest) = state.keys.find(&asked.principal, &asked.key)?;
    Some(if digest == asked.digest { Ok(first) } else { Err(Refusal::KeyReused { first }) })
}

fn remember(state: &mut State, asked: &AskedV1, at: Offset) {
    state.keys.remember(asked, at, state.parameters.key_kept_ms);
}

/// The 64-bit FNV-1a hash (Fowler, Noll, Vo).
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
