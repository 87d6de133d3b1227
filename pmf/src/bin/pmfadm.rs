//! Tells pmfd what to keep running.

use std::process::ExitCode;

fn main() -> ExitCode {
    pmf::adm::main()
}
