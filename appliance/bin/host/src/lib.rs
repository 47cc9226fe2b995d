//! `ravelin-host`: what the appliance does to its own machine, one subcommand per step of the boot.
//!
//! Each subcommand is a oneshot unit of systemd, runs as root and has a folder here. None may keep the machine from booting: what
//! goes wrong is told on the consoles, noted for `show`, and the next step is taken.
//!
//! Every path is taken below a root, `/` unless `--root` says otherwise, so that tests run on recorded trees.
#![forbid(unsafe_code)]

pub mod apply;
pub mod consoles;
pub mod day0;
pub mod error;
pub mod files;
pub mod power;
pub mod prepare;
pub mod root;
