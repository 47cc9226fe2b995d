//! Pools in use.

use ravelin_ctl::buffers::{Buffers, PoolLevel};
use ravelin_ctl::operator::{DaemonReply, Reply};

pub fn buffers() -> Reply {
    let pool = |name: &str, buffers, free| PoolLevel {
        name: name.to_owned(),
        buffers,
        free,
    };
    Reply::Daemon(DaemonReply::Buffers(Buffers {
        pools: vec![
            pool("frames", 262_143, 258_047),
            pool("jumbo", 65_535, 65_535),
        ],
        made: 1_234_567,
        joined: 99_999_999_999,
    }))
}
