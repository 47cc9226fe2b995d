//! The `ravelin-iked` program.
#![forbid(unsafe_code)]

fn main() {}
