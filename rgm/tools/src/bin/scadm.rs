//! The administration, by the name it is called by; see [`rgm_tools::scadm`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(rgm_tools::scadm::main(std::env::args_os()))
}
