//! A view of the file systems of one's own.

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Plays a scene in a thread whose mounts, and those of all it starts, nobody else sees; they go with
/// it. Needs root, as rgmd does.
pub fn in_own_mounts(scene: impl FnOnce() -> Result<()> + Send) -> Result<()> {
    let played = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS)?;
            mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING)?;
            scene()
        });
        thread.join()
    });
    played.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// For [`mount`].
pub const NOTHING: Option<&str> = None;
