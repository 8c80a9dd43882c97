//! Sets of ports against a naive set of numbers.

use std::collections::BTreeSet;

use log_schema::{
    PortRanges, codec,
    ports::{Error, PORT_RANGES_MAX},
};
use proptest::{collection::vec, prelude::*};

#[test]
fn ranges_are_sorted_and_those_that_touch_are_joined() {
    let ports = PortRanges::new(vec![(40, 50), (10, 19), (20, 25), (45, 60)]).expect("legal");
    assert_eq!(ports.ranges(), [(10, 25), (40, 60)]);
    assert_eq!(ports.to_string(), "10-25,40-60");
    assert_eq!("40-60, 10-25".parse(), Ok(ports));
}

#[test]
fn the_whole_space_of_ports_is_one_range() {
    let all: PortRanges = "0-65535".parse().expect("legal");
    assert_eq!((all.count(), all.iter().count()), (65_536, 65_536));
    assert_eq!(all.lowest(65_536), Some(all.clone()));
    assert_eq!(all.lowest(65_537), None);
    assert_eq!(all.union(&all), all);
    assert!(all.minus(&all).is_empty());
}

#[test]
fn text_that_is_no_port_is_refused() {
    for text in ["", "-", "80-", "-80", "90-80", "65536", "80,,81", "80,", "+80", "80-+90", "8 0", "[80]", "http"] {
        assert!(text.parse::<PortRanges>().is_err(), "{text:?}");
    }
}

#[test]
fn the_most_ranges_that_ports_can_form_go_to_bytes_and_back() {
    let even = PortRanges::new((0..=u16::MAX).step_by(2).map(|port| (port, port)).collect()).expect("legal");
    assert_eq!(even.ranges().len(), PORT_RANGES_MAX);
    assert_eq!(codec::decode::<PortRanges>("ports", &codec::encode(&even)).expect("reads"), even);
    let all: PortRanges = "0-65535".parse().expect("legal");
    let odd = all.minus(&even);
    assert_eq!(odd.ranges().len(), PORT_RANGES_MAX);
    assert_eq!(odd.union(&even), all, "two sets of the most ranges can be joined");
}

#[test]
fn more_ranges_than_the_bound_are_refused_in_bytes() {
    let many = vec![(1_u16, 1_u16); PORT_RANGES_MAX + 1];
    assert_eq!(PortRanges::new(many.clone()), Err(Error::TooMany));
    assert!(codec::decode::<PortRanges>("ports", &codec::encode(&many)).is_err());
    assert!(codec::decode::<PortRanges>("ports", &codec::encode(&[(9_u16, 1_u16)])).is_err(), "backwards");
}

/// Ports near zero and near the end, so that ranges meet, touch and reach the last port.
fn any_ports() -> impl Strategy<Value = (PortRanges, BTreeSet<u16>)> {
    let range = (prop_oneof![0_u16..60, 65_480_u16..=65_535], 0_u16..20);
    vec(range, 0..6).prop_map(|ranges| {
        let ranges: Vec<(u16, u16)> = ranges.into_iter().map(|(a, n)| (a, a.saturating_add(n))).collect();
        let naive = ranges.iter().flat_map(|(first, last)| *first..=*last).collect();
        (PortRanges::new(ranges).expect("legal"), naive)
    })
}

fn is_canonical(ports: &PortRanges) -> bool {
    let ordered = ports.ranges().iter().all(|(first, last)| first <= last);
    ordered && ports.ranges().windows(2).all(|pair| u32::from(pair[0].1) + 1 < u32::from(pair[1].0))
}

fn numbers(ports: &PortRanges) -> BTreeSet<u16> {
    ports.iter().collect()
}

proptest! {
    #[test]
    fn a_set_of_ranges_is_the_set_of_its_ports((ports, naive) in any_ports()) {
        prop_assert!(is_canonical(&ports));
        prop_assert_eq!(numbers(&ports), naive.clone());
        prop_assert_eq!(ports.count() as usize, naive.len());
        prop_assert_eq!(ports.is_empty(), naive.is_empty());
        prop_assert_eq!(codec::decode::<PortRanges>("ports", &codec::encode(&ports)).expect("reads"), ports.clone());
        if !ports.is_empty() {
            prop_assert_eq!(ports.to_string().parse(), Ok(ports));
        }
    }

    #[test]
    fn union_and_difference_are_those_of_sets((a, naive_a) in any_ports(), (b, naive_b) in any_ports()) {
        let (union, rest) = (a.union(&b), a.minus(&b));
        prop_assert!(is_canonical(&union) && is_canonical(&rest));
        prop_assert_eq!(numbers(&union), &naive_a | &naive_b);
        prop_assert_eq!(numbers(&rest), &naive_a - &naive_b);
        prop_assert_eq!(union.minus(&b).union(&b), union);
    }

    #[test]
    fn a_set_contains_another_as_sets_do((a, naive_a) in any_ports(), (b, naive_b) in any_ports()) {
        prop_assert_eq!(a.contains_all(&b), naive_a.is_superset(&naive_b));
        prop_assert!(a.union(&b).contains_all(&a));
    }

    #[test]
    fn the_lowest_ports_are_the_first_of_the_set((ports, naive) in any_ports(), count in 0_u32..150) {
        let expected = (count as usize <= naive.len()).then(|| naive.into_iter().take(count as usize).collect());
        let lowest = ports.lowest(count);
        prop_assert!(lowest.as_ref().is_none_or(is_canonical));
        prop_assert_eq!(lowest.as_ref().map(numbers), expected);
    }

    #[test]
    fn no_text_makes_parsing_ports_panic(text in "\\PC*|[0-9,+ -]{0,20}") {
        if let Ok(ports) = text.parse::<PortRanges>() {
            prop_assert_eq!(ports.to_string().parse(), Ok(ports));
        }
    }
}
