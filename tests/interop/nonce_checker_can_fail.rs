//! The check that every capture goes through at its end finds a nonce that was really sent twice, also when nobody finishes the
//! capture, and lets the honest one pass.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::capture::Capture;
use ravelin_tests::netns::{Netns, run, veth};
use ravelin_tests::nonces;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// An address that no other test gives to a gateway.
const GATEWAY: [u8; 4] = [203, 0, 113, 77];
const SENDER: &str = "import socket, sys
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(('a0', 0))
for frame in sys.argv[1:]:
    raw.send(bytes.fromhex(frame))";

/// Native ESP from the gateway, as hexadecimal.
fn esp(sequence: u8, iv: u8, text: u8) -> String {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend([0x45, 0, 0, 52, 0, 0, 0, 0, 64, 50, 0, 0]);
    frame.extend(GATEWAY);
    frame.extend([203, 0, 113, 78]);
    frame.extend([0, 0, 0x10, 7, 0, 0, 0, sequence]);
    frame.extend([0, 0, 0, 0, 0, 0, 0, iv]);
    frame.extend([text; 16]);
    frame.iter().map(|octet| format!("{octet:02x}")).collect()
}

struct Link {
    a: Netns,
    b: Netns,
    folder: PathBuf,
}

impl Link {
    /// A capture that has seen these frames.
    fn capture(&self, name: &str, frames: &[String]) -> Capture {
        let capture = Capture::start(&self.b, "b0", &self.folder, name).unwrap();
        run(self.a.command("python3").args(["-c", SENDER]).args(frames)).unwrap();
        Capture::wait_quiet(&[&capture]).unwrap();
        capture
    }
}

#[test]
fn a_capture_with_a_repeated_nonce_fails_its_test() {
    let folder = ravelin_tests::artifacts("nonce_checker_can_fail").unwrap();
    let (a, b) = (Netns::new("nca").unwrap(), Netns::new("ncb").unwrap());
    veth(&a, "a0", &b, "b0").unwrap();
    nonces::watch("set interfaces ge-0/0/0 unit 0 family inet address 203.0.113.77/24");
    let link = Link { a, b, folder };

    let honest = [esp(1, 1, 1), esp(2, 2, 1), esp(3, 3, 1)];
    let trace = link.capture("honest", &honest).finish().unwrap();
    assert_eq!(
        trace.esp_between(
            "203.0.113.77".parse().unwrap(),
            "203.0.113.78".parse().unwrap()
        ),
        3
    );

    for (name, second, wanted) in [
        (
            "iv",
            esp(2, 1, 1),
            "explicit IV 0x0000000000000001 was used",
        ),
        ("number", esp(1, 2, 1), "number 1 was used for two packets"),
        ("text", esp(1, 1, 2), "was used for two packets"),
        ("copy", esp(1, 1, 1), "was sent twice"),
    ] {
        let frames = [esp(1, 1, 1), second];
        let error = link.capture(name, &frames).finish().err().unwrap();
        assert!(error.to_string().contains(wanted), "{name}: {error}");
        // Nobody asks for the trace: the test fails all the same.
        let dropped = link.capture(&format!("{name}-dropped"), &frames);
        let outcome = catch_unwind(AssertUnwindSafe(|| drop(dropped)));
        assert!(outcome.is_err(), "{name}: a dropped capture passed");
        let tolerant = link
            .capture(&format!("{name}-copies"), &frames)
            .with_copies();
        assert_eq!(tolerant.finish().is_ok(), name == "copy", "{name}");
    }
    // What was sent here on purpose must not be taken for a fault of the suite.
    std::fs::remove_dir_all(&link.folder).unwrap();
}
