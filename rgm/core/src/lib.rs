//! THE resource group manager: decides, never performs.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod cell;
pub mod event;
