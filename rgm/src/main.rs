//! rgmd.
fn main() {}
