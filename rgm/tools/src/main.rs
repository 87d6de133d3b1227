//! scha.
fn main() {}
