//! See `methods::scds_syslog`.

fn main() -> std::process::ExitCode {
    methods::scds_syslog::main_with(std::env::args_os().skip(1)).into()
}
