//! Bytes that are not what they should be: refused by name, never a panic.

use log_schema::{
    Chain, Command, DecisionV1, EpochV1, Event, Kind, Offset, Record, Refusal,
    codec::{self, Error},
    command,
    record::PAYLOAD_BYTES_MAX,
};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::sample;

#[test]
fn bytes_after_the_value_are_an_error_that_counts_them() {
    for sample in sample::all() {
        let mut bytes = sample.bytes.clone();
        bytes.extend([0xc0, 0xc0]);
        let expected = format!("2 bytes follow the {}", sample.name);
        assert_eq!(sample.decodes(&bytes).expect_err(sample.name), expected);
    }
}

#[test]
fn a_value_that_ends_too_early_is_an_error_wherever_it_ends() {
    for sample in sample::all() {
        for end in 0..sample.bytes.len() {
            assert!(sample.decodes(&sample.bytes[..end]).is_err(), "{} cut at {end}", sample.title());
        }
    }
}

#[test]
fn an_unknown_kind_is_named_and_not_skipped() {
    let record = Record { kind: 999, version: 1, payload: "".into() };
    let error = Command::from_record(&record).expect_err("nobody knows 999");
    assert!(matches!(error, command::Error::UnknownKind { kind: 999 }));
    assert_eq!(error.to_string(), "unknown record kind 999");
}

#[test]
fn an_unknown_version_is_named_for_every_kind_of_command() {
    for kind in commands() {
        for version in [0, 2, u16::MAX] {
            let record = Record { kind: kind.number(), version, payload: "".into() };
            let error = Command::from_record(&record).expect_err("only version 1 is known");
            assert_eq!(error.to_string(), format!("unknown version {version} of {kind}"));
        }
    }
}

#[test]
fn epochs_and_decisions_are_not_commands() {
    for kind in [Kind::Epoch, Kind::Decision] {
        let error = Command::from_record(&Record::v1(kind, "")).expect_err("no command");
        assert!(matches!(error, command::Error::NotACommand { kind: named } if named == kind));
    }
}

#[test]
fn a_command_with_another_commands_payload_is_malformed() {
    for sample in sample::all().iter().filter(|sample| sample.group == "record") {
        for kind in commands().filter(|kind| kind.name() != sample.name) {
            match Command::from_record(&Record::v1(kind, sample.bytes.clone())) {
                Ok((_, command)) => assert!(shares_its_shape(kind), "{kind} took {command:?}"),
                Err(error) => assert!(matches!(error, command::Error::Malformed { .. }), "{kind}: {error}"),
            }
        }
    }
}

/// Bodies of the same one or no required field: only the kind tells them apart.
fn shares_its_shape(kind: Kind) -> bool {
    use Kind::{
        KillTask, RemoveAgent, RestartTask, ReviveOffers, SetParameters, StopJob, SuppressOffers, TeardownFramework,
    };
    matches!(
        kind,
        KillTask
            | RemoveAgent
            | RestartTask
            | ReviveOffers
            | SetParameters
            | StopJob
            | SuppressOffers
            | TeardownFramework
    )
}

#[test]
fn a_malformed_command_says_which_kind_it_is() {
    let error = Command::from_record(&Record::v1(Kind::SubmitJob, vec![0xc1])).expect_err("0xc1 is never used");
    assert!(matches!(error, command::Error::Malformed { kind: Kind::SubmitJob, source: Error::Shape { .. } }));
}

/// A refusal records the sentence: words of a library would differ with its version, and words of
/// the sender could be longer than a decision.
#[test]
fn what_is_recorded_of_a_malformed_command_is_short_and_ours() {
    let long = "x".repeat(PAYLOAD_BYTES_MAX / 2);
    for payload in [vec![0xc1], vec![], codec::encode(&[(long.as_str(), 1)]), codec::encode(&long)] {
        let error = Command::from_record(&Record::v1(Kind::SubmitJob, payload)).expect_err("no job");
        assert_eq!(error.to_string(), "malformed submit_job: not a submit_job");
    }
    let unknown_field = std::collections::BTreeMap::from([(long.as_str(), 1)]);
    let record = Record::v1(Kind::StopJob, codec::encode(&unknown_field));
    let error = Command::from_record(&record).expect_err("no such field");
    assert_eq!(error.to_string(), "malformed stop_job: not a stop_job");
}

#[test]
fn a_length_that_promises_more_than_there_is_reserves_nothing() {
    for huge in
        [&b"\xdd\xff\xff\xff\xff"[..], b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff"]
    {
        for kind in commands() {
            assert!(Command::from_record(&Record::v1(kind, huge.to_vec())).is_err());
        }
        let with_answers = [&b"\x81\xa7answers"[..], huge].concat();
        assert!(codec::decode::<DecisionV1>("decision", &with_answers).is_err());
    }
}

#[test]
fn nesting_without_end_is_an_error_and_no_overflow_of_the_stack() {
    for deep in [vec![0x91; 100_000], [0x81, 0xa1, b'x'].repeat(100_000)] {
        assert!(codec::decode::<Event>("event", &deep).is_err());
        assert!(codec::decode::<Refusal>("refusal", &deep).is_err());
        assert!(commands().all(|kind| Command::from_record(&Record::v1(kind, deep.clone())).is_err()));
    }
}

#[test]
fn every_sample_is_far_below_the_bound_on_payloads() {
    assert!(sample::all().iter().all(|sample| sample.bytes.len() < PAYLOAD_BYTES_MAX / 100));
}

#[test]
fn the_chain_is_sha256_over_chain_offset_kind_version_and_payload() {
    let first = Chain::default().link(Offset(0), &Record::v1(Kind::Tick, "abc"));
    let second = first.link(Offset(1), &Record { kind: 40, version: 2, payload: "".into() });
    // sha256sum over 32 zero bytes, 8 bytes of offset, 2 of kind, 2 of version, and the payload.
    assert_eq!(first.to_string(), "12dea59273bf623386349c182bdf72fdf8a4604868dbef283a87a1f88c456cea");
    assert_eq!(second.to_string(), "a92065f87973787a27bf8caf0b9714e6369ce37a194db5db1210ad7704108a53");
}

#[test]
fn a_chain_has_32_bytes_and_no_other_number() {
    for (length, fits) in [(0, false), (31, false), (32, true), (33, false)] {
        let bytes = rmpv_binary(&vec![7; length]);
        assert_eq!(codec::decode::<Chain>("chain", &bytes).is_ok(), fits, "{length} bytes");
    }
}

fn rmpv_binary(bytes: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    rmpv::encode::write_value(&mut written, &rmpv::Value::Binary(bytes.to_vec())).expect("bytes grow");
    written
}

fn commands() -> impl Iterator<Item = Kind> {
    Kind::ALL.iter().copied().filter(|kind| !matches!(kind, Kind::Epoch | Kind::Decision))
}

/// Reads bytes as everything that a log may hold; what can be read can be written and read again.
fn read_as_everything(bytes: &[u8]) {
    for kind in Kind::ALL {
        if let Ok((envelope, command)) = Command::from_record(&Record::v1(*kind, bytes.to_vec())) {
            let again = Command::from_record(&command.to_record(&envelope)).expect("what was read can be written");
            assert_eq!(again, (envelope, command));
        }
    }
    if let Ok(decision) = codec::decode::<DecisionV1>("decision", bytes) {
        assert_eq!(codec::decode::<DecisionV1>("decision", &codec::encode(&decision)).expect("reads"), decision);
    }
    if let Ok(epoch) = codec::decode::<EpochV1>("epoch", bytes) {
        assert_eq!(codec::decode::<EpochV1>("epoch", &codec::encode(&epoch)).expect("reads"), epoch);
    }
    if let Ok(event) = codec::decode::<Event>("event", bytes) {
        assert_eq!(codec::decode::<Event>("event", &codec::encode(&event)).expect("reads"), event);
    }
    if let Ok(refusal) = codec::decode::<Refusal>("refusal", bytes) {
        assert_eq!(codec::decode::<Refusal>("refusal", &codec::encode(&refusal)).expect("reads"), refusal);
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn a_sample_with_damaged_bytes_never_panics(which: Index, damage in vec((any::<Index>(), any::<u8>()), 1..4)) {
        let samples = sample::all();
        let mut bytes = which.get(&samples).bytes.clone();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        read_as_everything(&bytes);
    }
}
