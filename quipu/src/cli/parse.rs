//! Texts of the command line that mean more than text. Each error says what would have been right.

use std::{fmt::Display, net::SocketAddr, ops::RangeInclusive, str::FromStr};

use allocator::leader::checkpoint::PublicKey;
use command_log::kafka;
use log_schema::{AgentId, Offset, Resources};
use replay::whatif::{Changes, change};

use crate::{duration, exit::one_line, output::node::now_ms};

/// Reads `NAME=VALUE`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("expected NAME=VALUE".into()),
    }
}

/// Checks `NAME=VALUE`, and keeps it as it is.
pub(crate) fn pair_text(text: &str) -> Result<String, String> {
    pair(text).map(|_| text.into())
}

/// Checks the name of an agent, and keeps it as it is.
pub(crate) fn agent(text: &str) -> Result<String, String> {
    AgentId::new(text).map(|_| text.into()).map_err(|error| error.to_string())
}

/// Checks resources, and keeps them as they are.
pub(crate) fn resources_text(text: &str) -> Result<String, String> {
    resources(text).map(|_| text.into())
}

/// Reads a whole number of a range.
pub(crate) fn whole<N>(range: RangeInclusive<N>) -> impl Fn(&str) -> Result<N, String> + Clone
where
    N: FromStr + Display + PartialOrd + Clone,
{
    move |text| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<N>() {
            Ok(number) if range.contains(&number) => Ok(number),
            Ok(number) if number < *range.start() => Err(format!("expected a whole number, {} or more", range.start())),
            Ok(_) => Err(format!("expected a whole number of at most {}", range.end())),
            Err(_) if is_number => Err(format!("expected a whole number of at most {}", range.end())),
            Err(_) => Err(format!("expected a whole number, {} or more", range.start())),
        }
    }
}

/// Reads where to listen: where only this machine can reach it.
pub(crate) fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| "expected ADDRESS:PORT, as in 127.0.0.1:7070")?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err("it is not a loopback address, and a gateway has neither TLS nor authentication; listen on 127.0.0.1 or [::1] \
         and bring others in through a tunnel, such as ssh -L"
        .into())
}

/// Checks where a log is, and keeps it as it is: an address of Kafka is legal, anything else is a directory.
pub(crate) fn log_place(text: &str) -> Result<String, String> {
    if text.starts_with(kafka::SCHEME) {
        kafka::Config::parse(text).map_err(|error| one_line(&error))?;
    }
    Ok(text.into())
}

/// Checks a change of a what-if, and keeps it as it is.
pub(crate) fn change(
    add: fn(&mut Changes, &str) -> Result<(), change::Error>,
) -> impl Fn(&str) -> Result<String, String> + Clone {
    move |text| match add(&mut Changes::default(), text) {
        Ok(()) => Ok(text.into()),
        Err(error) => Err(one_line(&error)),
    }
}

/// Reads the public key of whoever signs checkpoints.
pub(crate) fn public_key(text: &str) -> Result<PublicKey, String> {
    text.parse().map_err(|_| "expected a public key: the 64 hexadecimal digits that its checkpoints state".into())
}

/// A point in a cell's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AtArg {
    /// An offset of the log.
    Offset(Offset),
    /// A time, as RFC 3339 text of any offset.
    Time(String),
    /// A time before now, in milliseconds.
    Ago(u64),
}

/// For how long the past is kept, in milliseconds; `None`: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct History(pub(crate) Option<u64>);

impl FromStr for History {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "forever" {
            return Ok(Self(None));
        }
        match duration::parse(text) {
            Ok(0) => Err("nothing could be asked for then; the least is 1ms".into()),
            Ok(millis) => Ok(Self(Some(millis))),
            Err(_) => Err("expected a duration such as 12h or 30d, or `forever`".into()),
        }
    }
}

impl FromStr for AtArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(offset) = text.parse() {
            return Ok(Self::Offset(Offset(offset)));
        }
        let is_time = command_log::rfc3339::parse(text).is_some();
        match duration::parse(text) {
            Ok(millis) if millis > now_ms() => Err("that is before 1970; `quipu cell` tells what is kept".into()),
            Ok(millis) => Ok(Self::Ago(millis)),
            Err(_) if is_time => Ok(Self::Time(text.into())),
            Err(_) => Err("expected an offset, a time such as 2026-07-29T10:15:00Z, or how long ago, as in 5m".into()),
        }
    }
}

/// Reads resources, with the cause of what is wrong in one line.
pub(crate) fn resources(text: &str) -> Result<Resources, String> {
    text.parse().map_err(|error: log_schema::resources::Error| one_line(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_in_history_is_an_offset_a_time_or_how_long_ago() {
        assert_eq!("1742".parse(), Ok(AtArg::Offset(Offset(1742))));
        assert_eq!("5m".parse(), Ok(AtArg::Ago(300_000)));
        assert_eq!("2026-07-29T10:15:00Z".parse(), Ok(AtArg::Time("2026-07-29T10:15:00Z".into())));
        let zoned = "2026-07-29T10:15:00+01:00";
        assert_eq!(zoned.parse(), Ok(AtArg::Time(zoned.into())));
        for text in ["", "yesterday", "-3", "5 minutes", "2026-07-29", "2026-02-30T00:00:00Z", "99999999d"] {
            assert!(text.parse::<AtArg>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_change_is_kept_as_it_is_or_refused_with_what_would_have_been_right() {
        let (set, agents, scale) = (change(Changes::add_set), change(Changes::add_agents), change(Changes::add_scale));
        assert_eq!(set("policy=spread"), Ok("policy=spread".into()));
        assert_eq!(agents("20x{cpu=8,mem=32Gi,ports=[1-2,5-6]}"), Ok("20x{cpu=8,mem=32Gi,ports=[1-2,5-6]}".into()));
        assert_eq!(scale("web=2.5"), Ok("web=2.5".into()));
        assert!(set("policy=foo").is_err_and(|why| why.contains("binpack or spread")));
        for text in ["", "20", "20x", "0x{cpu=1}", "20x{cpu=a}", "x{cpu=1}", "20x{cpu=1"] {
            assert!(agents(text).is_err(), "{text}");
        }
        assert!(scale("web").is_err() && scale("we.b=2").is_err() && scale("web=500m").is_err());
    }

    #[test]
    fn no_more_agents_are_added_than_the_bound() {
        let agents = change(Changes::add_agents);
        assert!(agents(&format!("{}x{{cpu=1}}", change::ADDED_AGENTS_MAX)).is_ok());
        let refused = agents(&format!("{}x{{cpu=1}}", change::ADDED_AGENTS_MAX + 1));
        assert_eq!(refused, Err("100001 agents are more than 100000".into()));
        assert!(agents("99999999999999999999x{cpu=1}").is_err());
    }

    #[test]
    fn a_number_that_is_none_or_out_of_range_is_told_the_bound_that_it_breaks() {
        let number = whole(1..=100_u32);
        assert_eq!(number("7"), Ok(7));
        for text in ["", "x", "-1", "0", "1.5"] {
            assert_eq!(number(text), Err("expected a whole number, 1 or more".into()), "{text}");
        }
        for text in ["101", "99999999999999999999"] {
            assert_eq!(number(text), Err("expected a whole number of at most 100".into()), "{text}");
        }
    }

    #[test]
    fn a_gateway_listens_where_only_this_machine_reaches_it() {
        for text in ["127.0.0.1:0", "127.9.9.9:7070", "[::1]:7070"] {
            assert_eq!(loopback(text).map(|address| address.to_string()), Ok(text.into()));
        }
        assert!(loopback("localhost").is_err_and(|why| why.contains("127.0.0.1:7070")));
        for text in ["0.0.0.0:7070", "[::]:7070", "192.0.2.1:7070"] {
            assert!(loopback(text).is_err_and(|why| why.contains("tunnel")), "{text}");
        }
    }

    #[test]
    fn a_log_is_a_directory_or_a_legal_address_of_kafka() {
        for text in ["./cell", "cell", "kafka://127.0.0.1:9092/cell"] {
            assert_eq!(log_place(text), Ok(text.into()));
        }
        assert!(log_place("kafka://nonsense").is_err());
    }
}
