//! Whole-program tests: the real daemons, commands, methods and processes, in a directory and in
//! cgroups of their own.

mod agents_address;
mod agents_gds;
mod agents_storage;
mod agents_systemd;
mod apart;
mod apply;
mod bare;
mod cl_commands;
mod disk;
mod ends;
mod events;
mod export_import;
mod failover;
mod killed;
mod methods;
mod operations;
mod plans;
mod refusals;
mod scenarios_live;
mod three_tiers;
mod tour;
