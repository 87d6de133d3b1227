//! The methods of the resource types that come with the manager, by the name it is called by; see
//! [`agents`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(agents::main(std::env::args_os()))
}
