//! The `ravelin-planed` program.
#![forbid(unsafe_code)]

fn main() {}
