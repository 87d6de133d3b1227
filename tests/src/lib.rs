//! Simulator, scenarios and whole-program tests.
