//! Prints the schema: `cargo run -p gateway --example schema > gateway/schema.graphql`.

fn main() {
    print!("{}", gateway::sdl());
}
