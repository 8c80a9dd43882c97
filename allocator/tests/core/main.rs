//! Tests of the allocator's core: stories with transcripts, and properties of random histories.
//!
//! Nothing here knows a log, a leader or a clock: records go in, answers come out.

mod cell;
mod coverage;
mod determinism;
mod fair_shares;
mod inputs;
mod parse;
mod properties;
mod random;
mod story;
mod story_of_agents;
mod story_of_bounds;
mod story_of_cell;
mod story_of_ends;
mod story_of_frameworks;
mod story_of_full_cells;
mod story_of_jobs;
mod story_of_offers;
mod story_of_placement;
mod story_of_refusals;
mod story_of_restarts;
mod story_of_room_for_tasks;
mod story_of_shares;
mod story_of_unwell_agents;
mod tell;
