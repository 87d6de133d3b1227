//! What methods and fault monitors call, by the name it is called by; see [`rgm_tools::scha`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(rgm_tools::scha::main(std::env::args_os()))
}
