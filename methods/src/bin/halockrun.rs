//! See `methods::halockrun`.

fn main() -> std::process::ExitCode {
    methods::halockrun::main_with(std::env::args_os().skip(1)).into()
}
