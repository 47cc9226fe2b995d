//! Malformed IKE messages, in the clear and under the keys of an IKE SA: each is discarded under one counter or refused with one reason, and
//! answered exactly where RFC 7296 says so. A tunnel of another peer stays.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::gateway::Gateway;
use ravelin_tests::site::{GATEWAY_ID, PRE_SHARED_KEY, Site, V4, V6, enb_connection};
use ravelin_tests::strongswan::StrongSwan;
use ravelin_tests::traffic::ping;
use ravelin_tests::wait::wait_until;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

/// Makes and sends the messages, and knows the cases.
const SENDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/malformed_ike.py");
const IDENTITY: &str = "malformed.enb.example";
const LIMIT: Duration = Duration::from_secs(5);

/// What the gateway says of it.
#[derive(Debug, Clone, Copy)]
enum Says {
    /// This counter, by so many, and no other one of discarded messages.
    Counts(&'static str, u64),
    /// This reason of a failed negotiation.
    Tells(&'static str),
}
use Says::{Counts, Tells};

const MALFORMED: Says = Counts("malformed message", 1);
const ANSWERED: Says = Counts("IKE_SA_INIT answered", 1);
const NO_EXCHANGE: Says = Counts("exchange not possible in this state", 1);
const NOISE: Says = Counts("integrity check failed", 1);
const REFUSED: &str = "34 14";
const ACCEPTED: &str = "34";
const SILENCE: &str = "nothing";

/// Case, what is said of it, and the answer: exchange, protection, numbers of the notifications of errors.
const CASES: &[(&str, Says, &str)] = &[
    (
        "27 octets",
        Counts("datagrams that are not IKE", 1),
        SILENCE,
    ),
    ("a header that says more", MALFORMED, SILENCE),
    ("a header that says less", MALFORMED, SILENCE),
    ("half of the message", MALFORMED, SILENCE),
    ("octets left over", MALFORMED, SILENCE),
    ("a length of zero", MALFORMED, SILENCE),
    ("a payload that says more", MALFORMED, SILENCE),
    ("major version 3", MALFORMED, "34 5"),
    ("minor version 9", ANSWERED, ACCEPTED),
    ("IKEv1 main mode", MALFORMED, SILENCE),
    ("a response of major version 3", MALFORMED, SILENCE),
    (
        "an unknown critical payload",
        Tells("unknown critical payload 200"),
        "34 1",
    ),
    ("an unknown payload", ANSWERED, ACCEPTED),
    ("two of each", ANSWERED, ACCEPTED),
    ("65 payloads", MALFORMED, SILENCE),
    ("an SPI of 255 octets in a proposal", MALFORMED, SILENCE),
    (
        "an SPI in the first proposal",
        Counts("no proposal chosen", 1),
        REFUSED,
    ),
    (
        "a proposal of ESP",
        Counts("no proposal chosen", 1),
        REFUSED,
    ),
    (
        "an unknown type of transform",
        Counts("no proposal chosen", 1),
        REFUSED,
    ),
    (
        "a notification whose SPI is longer than it",
        MALFORMED,
        SILENCE,
    ),
    ("a nonce of 15 octets", MALFORMED, SILENCE),
    ("a nonce of 257 octets", MALFORMED, SILENCE),
    ("no nonce", MALFORMED, SILENCE),
    (
        "another group",
        Counts("other key exchange group requested", 1),
        "34 17",
    ),
    (
        "a point beside the curve",
        Tells("not a valid element"),
        SILENCE,
    ),
    ("a cookie that nobody asked for", ANSWERED, ACCEPTED),
    ("no SPI of the initiator", NO_EXCHANGE, SILENCE),
    ("an SPI of the responder", NO_EXCHANGE, SILENCE),
    ("a first message with number 1", NO_EXCHANGE, SILENCE),
    ("a first message of no initiator", NO_EXCHANGE, SILENCE),
    (
        "a response to nothing",
        Counts("unknown IKE SPI", 1),
        SILENCE,
    ),
    (
        "a request of an unknown IKE SA",
        Counts("unknown IKE SPI", 1),
        "37 4",
    ),
    ("an envelope of noise", NOISE, SILENCE),
    ("an envelope too short", NOISE, SILENCE),
    ("an empty envelope", NOISE, SILENCE),
    ("something after the envelope", MALFORMED, SILENCE),
    (
        "an identity in the clear",
        Counts("message without protection", 1),
        SILENCE,
    ),
    ("a fragment of noise", NOISE, SILENCE),
    ("fragment 0", MALFORMED, SILENCE),
    ("fragment 3 of 2", MALFORMED, SILENCE),
    ("a fragment without content", NOISE, SILENCE),
    ("INFORMATIONAL before IKE_AUTH", NO_EXCHANGE, SILENCE),
    (
        "IKE_AUTH without an identity",
        Tells("no usable"),
        "35 protected 24",
    ),
    (
        "IKE_AUTH of half an identity",
        Tells("malformed message: payload IDi"),
        "35 protected 7",
    ),
    (
        "IKE_AUTH with an unknown critical payload",
        Tells("unknown critical payload 200"),
        "35 protected 1",
    ),
    (
        "IKE_AUTH with a wrong proof",
        Tells("the pre-shared keys differ"),
        "35 protected 24",
    ),
    ("noise of an IKE SA that is up", NOISE, SILENCE),
    (
        "a deletion in the clear",
        Counts("message without protection", 1),
        SILENCE,
    ),
    (
        "a notification in the clear",
        Counts("unprotected notification ignored", 1),
        SILENCE,
    ),
    (
        "a message of the other role",
        Counts("unknown IKE SPI", 1),
        "37 4",
    ),
    (
        "a response without a request",
        Counts("response without a request", 1),
        SILENCE,
    ),
    (
        "a number far ahead",
        Counts("message ID outside the window", 1),
        SILENCE,
    ),
    ("65 fragments", Counts("fragment refused", 1), SILENCE),
    (
        "a fragment of a coarser cut",
        Counts("fragment refused", 1),
        SILENCE,
    ),
    ("a fragment again", Counts("fragment repeated", 1), SILENCE),
    (
        "a deletion of 65,535 SPIs of 255 octets",
        Tells("malformed message: payload Delete"),
        "37 protected 7",
    ),
    (
        "an unknown critical payload in the envelope",
        Tells("unknown critical payload 200"),
        "37 protected 1",
    ),
    (
        "an empty CREATE_CHILD_SA",
        Tells("no usable"),
        "36 protected 7",
    ),
    (
        "an unknown exchange",
        Tells("no usable known exchange type"),
        "200 protected 7",
    ),
];

/// Names of the counters of discarded messages, and of what is done instead.
const JUDGED: &[&str] = &[
    "datagrams that are not IKE",
    "malformed message",
    "IKE_SA_INIT answered",
    "no proposal chosen",
    "other key exchange group requested",
    "unknown IKE SPI",
    "initiator flag contradicts the SA",
    "integrity check failed",
    "message without protection",
    "response without a request",
    "message ID outside the window",
    "request already being answered",
    "exchange not possible in this state",
    "IKE_SA_INIT differs from the one under way",
    "fragment not negotiated",
    "fragment repeated",
    "fragment refused",
    "unprotected notification ignored",
];

struct Sender {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Sender {
    fn start(site: &Site) -> Self {
        let mut command = site.enb.command("python3");
        let ends = [V4.enb_outer, V4.gateway_outer].map(|a| a.to_string());
        command.arg(SENDER).args(ends);
        command.args([IDENTITY, GATEWAY_ID, PRE_SHARED_KEY]);
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            orders: process.stdin.take().unwrap(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            process,
        }
    }

    fn order(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{order}: the sender has ended");
        line.trim().to_owned()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn judged(gateway: &Gateway) -> BTreeMap<String, u64> {
    let mut all = gateway.ike_statistics().unwrap();
    all.retain(|name, _| JUDGED.contains(&name.as_str()));
    assert_eq!(all.len(), JUDGED.len(), "{all:?}");
    all
}

/// Sends one case and looks at what comes of it: nothing, or what is wrong.
fn judge(
    gateway: &Gateway,
    sender: &mut Sender,
    (case, says, answer): (&str, Says, &str),
) -> Result<(), String> {
    sender.order(&format!("prepare {case}"));
    let before = judged(gateway);
    let mut wanted = before.clone();
    if let Counts(counter, by) = says {
        *wanted.get_mut(counter).unwrap() += by;
    }
    sender.order(&format!("send {case}"));
    let came = match answer {
        SILENCE => SILENCE.to_owned(),
        _ => sender.order("answer"),
    };
    let mut last = String::new();
    let seen = wait_until(case, LIMIT, || {
        let mut counted = judged(gateway);
        let told = match says {
            Counts(..) => {
                last.clear();
                true
            }
            Tells(reason) => {
                last = gateway.cli("show security ike failures")?;
                last.contains(reason)
            }
        };
        let done = told && counted == wanted;
        counted.retain(|name, count| before[name] != *count);
        last = format!("{last}{counted:?}");
        Ok(done.then_some(()))
    });
    let more = sender.order("silence");
    if let Tells(_) = says {
        gateway.cli("clear security ike failures").unwrap();
    }
    if seen.is_err() {
        return Err(format!("{case}: {says:?} is not seen: {last}"));
    }
    if (came.as_str(), more.as_str()) != (answer, SILENCE) {
        return Err(format!(
            "{case}: answered by {came} and {more}, not {answer}"
        ));
    }
    Ok(())
}

#[test]
fn malformed_messages_are_counted_and_answered_as_the_rfc_says() {
    let site = Site::new("malformed_ike").unwrap();
    let mut gateway = site.start_gateway().unwrap();
    let connection = enb_connection("bystander", V6);
    let peer = StrongSwan::start(&site.enb, site.folder(), &[connection]).unwrap();
    peer.initiate("bystander-s1").unwrap();
    let mut sender = Sender::start(&site);
    let all = CASES.iter().map(|case| judge(&gateway, &mut sender, *case));
    let wrong: Vec<String> = all.filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    gateway.daemon("iked").unwrap().check().unwrap();
    assert_eq!(peer.established().unwrap(), 1);
    assert_eq!(ping(&site.enb, V4.enb_inner, V4.core, 2, 56).unwrap(), 2);
}
