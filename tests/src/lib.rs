//! Simulator, scenarios and whole-program tests.

pub mod sim;
