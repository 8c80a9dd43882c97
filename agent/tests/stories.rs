//! Stories about real processes and real links. One program, so that it is linked once.

#[path = "stories/agent.rs"]
mod agent_stories;
#[path = "stories/burst.rs"]
mod burst;
#[path = "stories/cell.rs"]
mod cell;
#[path = "stories/full_disk.rs"]
mod full_disk;
#[path = "stories/grace.rs"]
mod grace;
#[path = "stories/remote_log.rs"]
mod remote_log;
#[path = "stories/small_disk.rs"]
mod small_disk;
#[path = "stories/supervised.rs"]
mod supervised;
#[path = "stories/supervisor.rs"]
mod supervisor;
#[path = "stories/task.rs"]
mod task;
#[path = "stories/turned_away.rs"]
mod turned_away;
#[path = "stories/words.rs"]
mod words;
