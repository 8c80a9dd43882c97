//! Amounts and sets of resources: exact, in text and in bytes, with no floating point between.

use std::collections::BTreeMap;

use compact_str::CompactString;
use log_schema::{
    MiB, MilliCpu, MilliGpu, PortRanges, Resources, codec,
    resources::{CUSTOM_SCALARS_MAX, Error},
};
use proptest::{collection::btree_map, prelude::*};

#[test]
fn a_cpu_is_written_in_cores_and_read_in_cores_or_thousandths() {
    for (text, millis) in
        [("4", 4000), ("0.5", 500), ("0.25", 250), ("1.001", 1001), ("500m", 500), ("0", 0), ("0m", 0)]
    {
        assert_eq!(text.parse(), Ok(MilliCpu(millis)), "{text}");
        assert_eq!(text.parse(), Ok(MilliGpu(millis)), "{text}");
    }
    assert_eq!(MilliCpu(1001).to_string(), "1.001");
    assert_eq!(MilliCpu(1500).to_string(), "1.5");
    assert_eq!(MilliGpu(30).to_string(), "0.03");
}

#[test]
fn what_a_cpu_cannot_be_is_refused_and_not_rounded() {
    for text in ["", ".", "4.", "-1", "+1", "1e3", "0.0001", "1,5", "4 ", "m", "0.5m", "1_000", "inf", "NaN", "٣"] {
        assert!(text.parse::<MilliCpu>().is_err(), "{text:?}");
    }
    let error = "18446744073709551615".parse::<MilliCpu>().expect_err("too large");
    assert_eq!(error.to_string(), "\"18446744073709551615\" is more than can be counted");
}

#[test]
fn memory_is_written_in_the_largest_unit_that_is_exact() {
    for (text, mib) in [("512", 512), ("512Mi", 512), ("8Gi", 8192), ("1Ti", 1 << 20), ("0", 0), ("0Gi", 0)] {
        assert_eq!(text.parse(), Ok(MiB(mib)), "{text}");
    }
    for (mib, text) in [(0, "0"), (512, "512Mi"), (1024, "1Gi"), (1536, "1536Mi"), (3 << 20, "3Ti")] {
        assert_eq!(MiB(mib).to_string(), text);
    }
    for text in ["", "Mi", "8G", "8gi", "1.5Gi", "-1Gi", "+1", "8 Gi", "18446744073709551615Ti"] {
        assert!(text.parse::<MiB>().is_err(), "{text:?}");
    }
}

#[test]
fn resources_are_read_as_in_the_manual() {
    let resources: Resources = "cpu=4 mem=8Gi gpu=0.5 ports=31000-32000".parse().expect("legal");
    assert_eq!((resources.cpu, resources.mem, resources.gpu), (MilliCpu(4000), MiB(8192), MilliGpu(500)));
    assert_eq!(resources.ports.count(), 1001);
    assert_eq!(resources.to_string(), "cpu=4 mem=8Gi gpu=0.5 ports=31000-32000");
}

#[test]
fn mesos_texts_are_read_too() {
    let plain: Resources = "cpus:4;mem:1024".parse().expect("legal");
    assert_eq!(plain.to_string(), "cpu=4 mem=1Gi");
    let printed = "cpus:0.5; mem:512; disk:2048; gpus:1; ports:[31000-32000, 40000-40001]; licences:3";
    let resources: Resources = printed.parse().expect("legal");
    assert_eq!(resources.to_string(), "cpu=0.5 mem=512Mi disk=2Gi gpu=1 ports=31000-32000,40000-40001 licences=3");
}

#[test]
fn a_part_that_is_wrong_is_named() {
    let error = |text: &str| text.parse::<Resources>().expect_err(text);
    assert_eq!(error("cpu=1 mem"), Error::NotAPair { part: "mem".into() });
    assert_eq!(error("cpu=1 cpus=2"), Error::Twice { name: "cpus".into() });
    assert_eq!(error("a.b=1"), Error::Name { name: "a.b".into() });
    assert!(matches!(error("cpu=x"), Error::Amount { name, .. } if name == "cpu"));
    assert!(matches!(error("licences=+3"), Error::Amount { name, .. } if name == "licences"));
    assert!(matches!(error("ports=9-1"), Error::Ports { .. }));
    let many: Vec<String> = (0..=CUSTOM_SCALARS_MAX).map(|n| format!("x{n}=1")).collect();
    assert_eq!(error(&many.join(" ")), Error::TooMany);
}

#[test]
fn bytes_may_not_say_what_text_may_not() {
    for (name, units) in
        [("", 1), ("a b", 1), ("cpu", 1), ("gpus", 1), ("ports", 1), ("licences", 0), (&"x".repeat(65), 1)]
    {
        let custom = BTreeMap::from([(CompactString::from(name), units)]);
        let bytes = codec::encode(&Resources { custom, ..Resources::default() });
        assert!(codec::decode::<Resources>("resources", &bytes).is_err(), "{name:?}={units}");
    }
}

#[test]
fn a_sum_past_the_end_of_its_type_is_none_and_so_is_less_than_nothing() {
    let most = Resources::of(MilliCpu(u64::MAX), MiB(0));
    let one = Resources::of(MilliCpu(1), MiB(0));
    assert_eq!((most.checked_add(&one), Resources::default().checked_sub(&one)), (None, None));
    let port = Resources { ports: "80".parse().expect("a port"), ..Resources::default() };
    assert_eq!(port.checked_add(&port), None, "a port is not given twice");
}

fn any_resources() -> impl Strategy<Value = Resources> {
    let ranges = proptest::collection::vec((1_u16..2000, 0_u16..50), 0..4);
    let ports = ranges.prop_map(|r| PortRanges::new(r.into_iter().map(|(a, n)| (a, a + n)).collect()).expect("legal"));
    let custom = btree_map("x[a-z0-9_-]{1,3}".prop_map(CompactString::from), 1_u64..1000, 0..4);
    let units = (0_u64..1_000_000, 0_u64..1 << 30, 0_u64..1 << 30, 0_u64..10_000);
    (units, ports, custom).prop_map(|((cpu, mem, disk, gpu), ports, custom)| Resources {
        cpu: MilliCpu(cpu),
        mem: MiB(mem),
        disk: MiB(disk),
        gpu: MilliGpu(gpu),
        ports,
        custom,
    })
}

proptest! {
    #[test]
    fn every_amount_goes_to_text_and_back(units: u64) {
        prop_assert_eq!(MilliCpu(units).to_string().parse(), Ok(MilliCpu(units)));
        prop_assert_eq!(MilliGpu(units).to_string().parse(), Ok(MilliGpu(units)));
        prop_assert_eq!(MiB(units).to_string().parse(), Ok(MiB(units)));
    }

    #[test]
    fn resources_go_to_text_and_bytes_and_back(resources in any_resources()) {
        prop_assert_eq!(resources.to_string().parse::<Resources>(), Ok(resources.clone()));
        prop_assert_eq!(codec::decode::<Resources>("resources", &codec::encode(&resources)).expect("reads"), resources);
    }

    #[test]
    fn what_was_taken_out_can_be_put_back(whole in any_resources(), part in any_resources()) {
        prop_assert_eq!(whole.checked_sub(&part).is_some(), part.fits_in(&whole));
        if let Some(rest) = whole.checked_sub(&part) {
            prop_assert_eq!(rest.checked_add(&part), Some(whole));
        }
    }

    #[test]
    fn what_was_put_in_can_be_taken_out(a in any_resources(), b in any_resources()) {
        if let Some(sum) = a.checked_add(&b) {
            prop_assert!(a.fits_in(&sum) && b.fits_in(&sum));
            prop_assert_eq!(codec::decode::<Resources>("sum", &codec::encode(&sum)).expect("reads"), sum.clone());
            prop_assert_eq!(sum.checked_sub(&b), Some(a));
        }
    }

    #[test]
    fn in_place_or_not_the_sum_and_the_difference_are_the_same(a in any_resources(), b in any_resources()) {
        let plain = Resources { ports: PortRanges::default(), custom: BTreeMap::new(), ..b.clone() };
        for other in [b, plain] {
            let (mut sum, mut rest) = (a.clone(), a.clone());
            let (added, taken) = (sum.try_add(&other), rest.try_sub(&other));
            prop_assert_eq!(added.is_some(), a.checked_add(&other).is_some());
            prop_assert_eq!(taken.is_some(), a.checked_sub(&other).is_some());
            prop_assert_eq!(sum, a.checked_add(&other).unwrap_or_else(|| a.clone()));
            prop_assert_eq!(rest, a.checked_sub(&other).unwrap_or_else(|| a.clone()));
        }
    }

    #[test]
    fn no_text_makes_parsing_resources_panic(text in "\\PC*|((cpus?|mem|ports|x)[=:][\\[\\]0-9.,m;GiT -]{0,9}[ ;]?){0,4}") {
        let _ = (text.parse::<MilliCpu>(), text.parse::<MiB>(), text.parse::<MilliGpu>());
        if let Ok(resources) = text.parse::<Resources>() {
            prop_assert_eq!(resources.to_string().parse(), Ok(resources));
        }
    }
}

#[test]
fn a_name_that_is_nearly_that_of_a_resource_is_refused_with_the_one_that_is_meant() {
    let pairs = [
        ("memory", "mem"),
        ("Memory", "mem"),
        ("MEM", "mem"),
        ("memroy", "mem"),
        ("mem_mb", "mem"),
        ("memMB", "mem"),
        ("men", "mem"),
        ("rma", "mem"),
        ("memoryMi", "mem"),
        ("memory_limit_mb", "mem"),
        ("milli_cpu", "cpu"),
        ("cpu_", "cpu"),
        ("risk", "disk"),
        ("ram", "mem"),
        ("CPU", "cpu"),
        ("cppu", "cpu"),
        ("pcu", "cpu"),
        ("vcpus", "cpu"),
        ("cpu-cores", "cpu"),
        ("disks", "disk"),
        ("dsik", "disk"),
        ("disk_gb", "disk"),
        ("GPUs", "gpu"),
        ("port", "ports"),
    ];
    for (name, meant) in pairs {
        let error = format!("cpu=1 {name}=512").parse::<Resources>().expect_err(name);
        assert_eq!(error.to_string(), format!("{name:?} is no resource; is {meant:?} meant?"));
    }
    for name in ["licences", "tpu", "npu", "seats", "fpga", "gpu-a100", "diskless", "bandwidth", "x", "memcached"] {
        let resources: Resources = format!("cpu=1 {name}=2").parse().expect(name);
        assert_eq!(resources.custom(name), 2, "{name}");
    }
}

#[test]
fn a_number_may_begin_with_its_point() {
    assert_eq!(".5".parse(), Ok(MilliCpu(500)));
    assert_eq!(".005".parse(), Ok(MilliGpu(5)));
    for text in [".", "", "5.", ".5.5", ".5m", "-.5", "m"] {
        assert!(text.parse::<MilliCpu>().is_err(), "{text}");
    }
}
