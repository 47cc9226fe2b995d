//! The `ravelin-netd` program.
#![forbid(unsafe_code)]

fn main() {}
