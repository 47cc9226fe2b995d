use super::*;
use crate::pki::Source;
use crate::pki::http::tests::server;
use crate::pki::tests::{certificate, profile};
use ravelin_pki::testca::{Hierarchy, KeyKind};
use ravelin_pki::{Status, Unknown};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// A CA whose list is fetched from a server of the test.
struct Bench {
    folder: TempDir,
    pki: Pki,
    ca: Hierarchy,
    source: Source,
}

/// A server that gives each of these answers once, in turn.
fn answers(all: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/ca.crl", listener.local_addr().unwrap());
    let all = Arc::new(Mutex::new(all.into_iter()));
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let Some(answer) = all.lock().unwrap().next() else {
                return;
            };
            read_request(&mut stream);
            let _ = stream.write_all(&answer);
        }
    });
    url
}

fn read_request(stream: &mut TcpStream) {
    use std::io::Read;
    let mut request = vec![];
    while !request.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        stream.read_exact(&mut octet).unwrap();
        request.extend(octet);
    }
}

fn good(content: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        content.len()
    );
    [head.as_bytes(), content].concat()
}

impl Bench {
    fn new(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = wall_clock();
        let ca = Hierarchy::new(KeyKind::P256, now, "example.net").unwrap();
        let pki = Pki::open(&folder.path().join("pki"), now).unwrap();
        pki.save_profile(profile("access", ca.access()), now)
            .unwrap();
        let source = Source {
            profile: "access".to_owned(),
            urls: vec![url.to_owned()],
            refresh_s: None,
        };
        pki.set_sources(std::slice::from_ref(&source));
        Self {
            folder,
            pki,
            ca,
            source,
        }
    }

    fn id(&self) -> AuthorityId {
        AuthorityId::of(&certificate(self.ca.access()))
    }

    fn status(&self, issued: &[u8]) -> Status {
        let (user, access) = (certificate(issued), certificate(self.ca.access()));
        self.pki.status(&user, &access, wall_clock(), false)
    }

    fn failure(&self) -> Option<String> {
        self.pki.failure(&self.id())
    }

    /// Seconds until something is fetched again.
    fn pause(&self) -> i64 {
        self.pki.lists().next().unwrap().0 - wall_clock().0
    }
}

#[test]
fn a_list_that_is_configured_comes_and_outlives_the_daemon() {
    let now = wall_clock();
    let ca = Hierarchy::new(KeyKind::P256, now, "example.net").unwrap();
    let bad = ca.issue("enb1", &[]).unwrap();
    let list = ca.revocation_list(&[&bad], now).unwrap();
    let url = answers(vec![good(&list)]);
    let bench = Bench {
        ca,
        ..Bench::new(&url)
    };
    // First the configuration, then the CA.
    let access = profile("access", bench.ca.access());
    bench.pki.save_profile(access, now).unwrap();
    bench.pki.fetch_due(wall_clock());
    assert_eq!(bench.failure(), None);
    assert_eq!(bench.status(&bad.certificate), Status::Revoked);
    assert!(bench.pause() > 6 * 86_400, "{}", bench.pause());
    // Nothing is due, and nobody would answer.
    bench.pki.fetch_due(wall_clock());
    assert_eq!(bench.failure(), None);
    let again = Pki::open(&bench.folder.path().join("pki"), now).unwrap();
    again.set_sources(std::slice::from_ref(&bench.source));
    let access = certificate(bench.ca.access());
    let status = again.status(&certificate(&bad.certificate), &access, now, false);
    assert_eq!(status, Status::Revoked);
    assert!(again.lists_mut().due(now).is_empty());
}

#[test]
fn what_is_no_list_of_the_ca_is_told_and_asked_for_again() {
    let other = Hierarchy::new(KeyKind::P256, wall_clock(), "example.net").unwrap();
    let forged = other.revocation_list(&[], wall_clock()).unwrap();
    for (answer, expected) in [
        (
            b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec(),
            "the server answers 404 Not Found",
        ),
        (good(b"<html>"), "a revocation list is malformed: no DER"),
        (
            good(b"-----BEGIN CERTIFICATE-----\n"),
            "its PEM is not one X509 CRL",
        ),
        (
            good(&forged),
            "the signature of the revocation list is not that of",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".to_vec(),
            "more than 8388608 octets",
        ),
        (good(&forged)[..200].to_vec(), "the answer ends after"),
    ] {
        let url = answers(vec![answer]);
        let bench = Bench::new(&url);
        bench.pki.fetch_due(wall_clock());
        let line = bench.failure().unwrap();
        assert!(line.starts_with(&url) && line.contains(expected), "{line}");
        assert!(
            (55..=60).contains(&bench.pause()),
            "{line}: {}",
            bench.pause()
        );
    }
}

#[test]
fn a_list_that_is_past_counts_what_it_revokes_and_is_asked_for_ever_more_rarely() {
    let now = wall_clock();
    let bench = Bench::new("http://127.0.0.1:1/");
    let (good_one, bad) = (
        bench.ca.issue("enb1", &[]).unwrap(),
        bench.ca.issue("enb2", &[]).unwrap(),
    );
    let old = WallTime(now.0 - 8 * 86_400);
    let list = bench.ca.revocation_list(&[&bad], old).unwrap();
    let url = answers(vec![good(&list), good(&list)]);
    bench.pki.set_sources(&[Source {
        urls: vec![url],
        ..bench.source.clone()
    }]);
    for (after, pauses) in [(0, 55..=60), (60, 115..=120)] {
        bench.pki.fetch_due(WallTime(wall_clock().0 + after));
        assert_eq!(bench.status(&bad.certificate), Status::Revoked);
        let status = bench.status(&good_one.certificate);
        assert!(matches!(status, Status::Unknown(Unknown::Stale(_))));
        assert!(pauses.contains(&bench.pause()), "{}", bench.pause());
    }
}

#[test]
fn the_refresh_interval_bounds_the_pause_and_urls_can_be_withdrawn() {
    let url = answers(vec![]);
    let bench = Bench::new(&url);
    let list = bench.ca.revocation_list(&[], wall_clock()).unwrap();
    bench
        .pki
        .take_list(&bench.id(), &list, wall_clock())
        .unwrap();
    bench.pki.set_sources(&[Source {
        refresh_s: Some(3600),
        ..bench.source.clone()
    }]);
    bench
        .pki
        .take_list(&bench.id(), &list, wall_clock())
        .unwrap();
    assert!((3590..=3600).contains(&bench.pause()), "{}", bench.pause());
    bench.pki.set_sources(&[]);
    assert_eq!(bench.pki.lists().next(), None);
}

#[test]
fn the_thread_is_woken_and_ends_with_the_last_handle() {
    let bench = Bench::new("http://127.0.0.1:1/");
    let list = bench.ca.revocation_list(&[], wall_clock()).unwrap();
    let asked = bench.ca.issue("enb1", &[]).unwrap();
    let url = answers(vec![good(&list)]);
    let (told, ended) = sync_channel(1);
    let (shared, wake) = (Arc::downgrade(&bench.pki.0), bench.pki.wakes().unwrap());
    let thread = thread::spawn(move || {
        run(&shared, &wake);
        told.send(()).unwrap();
    });
    bench.pki.set_sources(&[Source {
        urls: vec![url],
        ..bench.source.clone()
    }]);
    let mut tries = 0;
    while bench.status(&asked.certificate) != Status::Good {
        tries += 1;
        assert!(tries < 1000, "{:?}", bench.failure());
        let _ = ended.recv_timeout(Duration::from_millis(20));
    }
    drop(bench);
    ended.recv().unwrap();
    thread.join().unwrap();
}

#[test]
fn a_server_that_hangs_up_is_a_failure() {
    let url = server(vec![|stream, _| stream.shutdown(std::net::Shutdown::Both)]);
    let bench = Bench::new(&url);
    bench.pki.fetch_due(wall_clock());
    assert!(bench.failure().is_some());
}
