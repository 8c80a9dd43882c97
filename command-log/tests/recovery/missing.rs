//! Whole files are gone.

use std::path::Path;

use crate::image::{Image, Subject};

fn image() -> Image {
    let mut subject = Subject::new(64 * 1024);
    subject.append(330);
    subject.image()
}

#[test]
fn an_untouched_image_is_served() {
    assert_eq!(image().reopen().code(), "served");
}

#[test]
fn without_the_watermark_nothing_is_served() {
    let image = image().without(|name| name == Path::new("acked"));
    assert_eq!(image.reopen().code(), "watermark_unreadable");
}

#[test]
fn without_the_store_everything_is_lost_and_said_to_be() {
    let image = image().without(|name| name.starts_with("store"));
    assert_eq!(image.reopen().code(), "lost");
}

#[test]
fn without_the_wal_the_start_is_refused() {
    let image = image();
    let wal = image.wal();
    let outcome = image.without(|name| name == wal).reopen();
    assert!(["lost", "store"].contains(&outcome.code()), "{}", outcome.code());
}

#[test]
fn without_a_sorted_file_the_start_is_refused() {
    let image = image();
    let sorted = image.named(".sst");
    let outcome = image.without(|name| name == sorted[0]).reopen();
    assert!(["lost", "store", "missing"].contains(&outcome.code()), "{}", outcome.code());
}

#[test]
fn a_store_of_an_earlier_moment_is_refused() {
    let mut subject = Subject::new(1024 * 1024);
    subject.append(20);
    let earlier = subject.image();
    subject.append(20);
    let later = subject.image();
    let mixed = later.clone().with(&later.wal(), earlier.bytes(&later.wal()).to_vec());
    assert_eq!(mixed.reopen().code(), "lost");
}
