//! Frames of the control sockets: type, cut, then the content of a frame.

use super::Seed;
use ravelin_ctl::operator::{DaemonQuery, Reply, Request};
use ravelin_ctl::sa::{self, PairCounters};
use ravelin_ctl::{Envelope, Hello, Role, daemon, encode, operator};
use ravelin_types::{Generation, InstanceId, PairId};
use serde::Serialize;

const LENGTH_OCTETS: usize = 4;

fn seed(kind: u8, message: &impl Serialize) -> Vec<u8> {
    let frame = encode(message).unwrap();
    [&[kind, 3], &frame[LENGTH_OCTETS..]].concat()
}

fn numbered<T>(body: T) -> Envelope<T> {
    Envelope { id: 1, body }
}

pub fn seeds() -> Vec<Seed> {
    let mut hello = Hello::new(Role::Operator, InstanceId(77));
    // Not this run's: seeds are the same whenever they are written.
    hello.pid = 1234;
    let load = Request::LoadConfiguration {
        origin: "a.conf".to_owned(),
        text: "system { host-name secgw; }".to_owned(),
    };
    let statistics = operator::IpsecStatistics {
        total: PairCounters::default(),
        pairs: 1,
        drops: Vec::new(),
    };
    let answer = operator::DaemonReply::IpsecStatistics(statistics);
    let remove = sa::Request::Remove {
        pair: PairId(7),
        linger_ms: 2000,
    };
    let alive = sa::FromPlaned::Event(sa::Event::Alive(vec![PairId(1), PairId(2)]));
    let whole = encode(&numbered(Request::ShowProcesses)).unwrap();
    vec![
        ("hello", seed(0, &hello)),
        ("load", seed(1, &numbered(load))),
        (
            "query",
            seed(1, &numbered(Request::Daemon(DaemonQuery::ClearIke(None)))),
        ),
        (
            "statistics",
            seed(2, &numbered(Reply::Daemon(answer.clone()))),
        ),
        ("remove", seed(3, &numbered(remove))),
        ("alive", seed(4, &numbered(alive))),
        (
            "apply",
            seed(5, &numbered(daemon::Request::Apply(Generation(3)))),
        ),
        (
            "daemon-reply",
            seed(6, &numbered(daemon::Reply::Operator(answer))),
        ),
        (
            "stream",
            [&[1, 6], whole.as_slice(), whole.as_slice()].concat(),
        ),
    ]
}
