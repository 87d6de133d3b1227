//! A watchdog: a device that resets the machine when it is not written to in time.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use rgm_api::pmf::Text;
use rustix::fs::OFlags;

/// An open watchdog. It bites if it is neither fed nor put to sleep, also once this process is gone.
#[derive(Debug)]
pub struct Watchdog {
    device: Text,
    file: File,
}

impl Watchdog {
    /// Opens it, which wakes it up.
    pub fn open(device: &Text) -> io::Result<Self> {
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
        let file = OpenOptions::new().write(true).custom_flags(flags).open(device.as_os_str())?;
        Ok(Self { device: device.clone(), file })
    }

    /// Its device.
    pub fn device(&self) -> &Text {
        &self.device
    }

    /// Feeds it.
    pub fn feed(&self) -> io::Result<()> {
        (&self.file).write_all(b"\0")
    }

    /// Puts it to sleep: the magic letter says that its end is meant.
    pub fn put_to_sleep(&self) -> io::Result<()> {
        (&self.file).write_all(b"V")
    }
}
