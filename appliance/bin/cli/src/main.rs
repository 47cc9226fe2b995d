//! The `ravelin` program.
#![forbid(unsafe_code)]

fn main() {}
