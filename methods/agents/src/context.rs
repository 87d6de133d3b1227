//! A call, and those it speaks to.

use crate::Failed;
use crate::call::Call;
use crate::log::{Level, Log};
use crate::manager::Manager;
use crate::pmf::Pmf;
use crate::props::Props;

/// What every method has at hand.
#[derive(Debug)]
pub struct Context<'a> {
    /// The call.
    pub call: &'a Call,
    /// rgmd.
    pub manager: Manager,
    /// pmfd.
    pub pmf: Pmf,
}

impl<'a> Context<'a> {
    /// Of this call.
    pub fn new(call: &'a Call) -> Result<Self, Failed> {
        let manager = Manager::from_env()?;
        Ok(Self { call, pmf: Pmf::new(manager.paths()), manager })
    }

    /// The properties.
    pub fn props(&self) -> Props<'_> {
        Props::new(self.call, &self.manager)
    }

    /// The log, as loud as Log_level says.
    pub fn log(&self) -> Result<Log, Failed> {
        let level = match self.props().extension("Log_level")?.text.to_ascii_uppercase().as_str() {
            "NONE" => Level::None,
            "ERR" => Level::Errors,
            _ => Level::All,
        };
        Ok(Log::new(self.call).at(level))
    }
}
