//! What the process monitor facility decides: tags, retry window, action program, waiting callers.
//!
//! A *tag* names a command that is kept running. It fails when its last monitored process is gone,
//! whatever the exit status; then it is started again at once, unless it has failed too often:
//!
//! ```text
//!            create                 last process gone, retries left
//!              │                  ┌──────────────────────────────────┐
//!              ▼     started      ▼                                  │
//!          Starting ─────────► Running ──────────────────────────────┘
//!           ▲   ▲                 │ last process gone, retries exceeded
//!  time is  │   │ action          ├── no action program ──────────────► removed, "exceeded"
//!  up       │   │ ended with 0    ▼
//!        Waiting└────────────── Acting ── action ended otherwise ──────► removed, "exceeded"
//!           ▲    too often        │
//!           └─────────────────────┘        told to stop: the next end of any state ─► removed
//! ```
//!
//! Nothing here knows a process, a file or a clock: [`Core::handle`] takes an event and the time and
//! returns what is to be done, in this order. Time is milliseconds since boot, so a window or a
//! deadline written down by one pmfd means the same to the next one.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

mod machine;
mod tag;

pub use machine::{Action, Core, Event, Line, Refused, RequestId, TagId, Wait};
pub use tag::{Phase, Policy, PolicyError, RETRIES_MAX, Tag, TagNameError, check_name};
