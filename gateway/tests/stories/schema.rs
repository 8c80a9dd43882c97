//! The schema as it is committed.

#[test]
fn the_committed_schema_is_the_one_that_is_served() {
    let committed = include_str!("../../schema.graphql");
    assert!(
        committed == gateway::sdl(),
        "the schema changed; look at the difference, then run: cargo run -p gateway --example schema > gateway/schema.graphql"
    );
}

#[test]
fn numbers_of_64_bits_are_text() {
    let sdl = gateway::sdl();
    for scalar in ["Offset", "Bytes", "Millicpu", "Milligpu", "Millis", "U64", "Time"] {
        assert!(sdl.contains(&format!("scalar {scalar}")), "{scalar}");
    }
    assert!(!sdl.contains("offset: Int"));
}
