//! See `methods::hatimerun`.

fn main() -> std::process::ExitCode {
    methods::hatimerun::main_with(std::env::args_os().skip(1)).into()
}
