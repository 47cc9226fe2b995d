//! The `ravelin-mgmtd` program.
#![forbid(unsafe_code)]

fn main() {}
