use super::*;
use crate::authority::{Certificates, Check, Judge, Keys};
use crate::pki::http::tests::server;
use ravelin_crypto::Secret;
use ravelin_ike::identity::to_payload;
use ravelin_ike::{Authority, VerifyRequest};
use ravelin_pki::{
    Accept, AuthSignature, CaProfile, CheckMode, Policy, PrivateKey, Scheme, Validator,
};
use ravelin_types::Identity;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// OpenSSL is the CA and its responder, and so another hand than the one that asks.
const CA: &str = "
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -keyout ca.key -out ca.pem \
        -subj /CN=ca -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
    for n in 1 2 3; do
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout enb$n.key -out enb$n.csr -subj /CN=enb$n
        echo subjectAltName=DNS:enb$n.example >enb$n.ext
        openssl x509 -req -in enb$n.csr -CA ca.pem -CAkey ca.key -set_serial $n -days 9 -extfile enb$n.ext -out enb$n.pem
    done
    echo sha256 >digest
    printf 'V\\t400101000000Z\\t\\t01\\tunknown\\t/CN=enb1\\n' >index.txt
    printf 'R\\t400101000000Z\\t240101000000Z\\t02\\tunknown\\t/CN=enb2\\n' >>index.txt";
const ANSWER: &str = "openssl ocsp -index index.txt -CA ca.pem -rsigner ca.pem -rkey ca.key -reqin request \
    -respout answer -ndays 1 -rmd $(cat digest)";

struct Bench {
    folder: TempDir,
    pki: Pki,
    responder: Responder,
}

fn shell(folder: &Path, script: &str) {
    let mut command = Command::new("sh");
    command.args(["-ec", script]).current_dir(folder);
    let done = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(done.unwrap().success(), "{script}");
}

/// A responder that answers all questions, and returns its URL.
fn responder(folder: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let folder = folder.to_owned();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = vec![];
            let mut piece = [0; 4096];
            let body = loop {
                let count = stream.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..count]);
                let head = request.windows(4).position(|w| w == b"\r\n\r\n");
                let Some(body) = head.map(|at| at + 4) else {
                    continue;
                };
                let text = String::from_utf8_lossy(&request[..body]).into_owned();
                let length = text.split("Content-Length: ").nth(1).unwrap();
                let length: usize = length.lines().next().unwrap().parse().unwrap();
                if request.len() >= body + length {
                    break body;
                }
            };
            fs::write(folder.join("request"), &request[body..]).unwrap();
            shell(&folder, ANSWER);
            let answer = fs::read(folder.join("answer")).unwrap();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                answer.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), &answer].concat());
        }
    });
    url
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        shell(folder.path(), CA);
        let pki = Pki::open(&folder.path().join("pki"), wall_clock()).unwrap();
        let responder = Responder {
            url: Some(responder(folder.path())),
            no_nonce: false,
        };
        Self {
            folder,
            pki,
            responder,
        }
    }

    fn certificate(&self, name: &str) -> Certificate {
        let pem = fs::read(self.folder.path().join(format!("{name}.pem"))).unwrap();
        Certificate::from_file(&pem).unwrap().remove(0)
    }

    fn status(&self, name: &str, now: WallTime) -> Status {
        let (certificate, ca) = (self.certificate(name), self.certificate("ca"));
        self.pki
            .ocsp_status(&certificate, &ca, &self.responder, now, false)
    }

    /// The status, and after that what there was to ask, asked. Returns how many questions.
    fn ask(&self, questions: &Receiver<Question>, name: &str, now: WallTime) -> usize {
        assert!(matches!(self.status(name, now), Status::Unknown(_)));
        let asked: Vec<Question> = questions.try_iter().collect();
        asked.iter().for_each(|question| self.pki.ask(question));
        asked.len()
    }
}

fn after(seconds: i64) -> WallTime {
    WallTime(wall_clock().0 + seconds)
}

#[test]
fn answers_are_there_when_the_peer_tries_again() {
    let mut bench = Bench::new();
    let questions = bench.pki.0.answers.questions().unwrap();
    for no_nonce in [false, true] {
        bench.responder.no_nonce = no_nonce;
        for (name, expected) in [("enb1", Status::Good), ("enb2", Status::Revoked)] {
            assert_eq!(bench.ask(&questions, name, after(0)), 1);
            assert_eq!(bench.status(name, after(1)), expected);
            // A day is over: asked again about what was good.
            let later = bench.status(name, after(2 * 86_400));
            let past = matches!(later, Status::Unknown(Unknown::Stale(_)));
            assert_eq!(past, name == "enb1");
            assert_eq!(questions.try_iter().count(), usize::from(past));
        }
        bench.pki.0.answers.tables().answers.clear();
    }
    // The responder does not know it: asked again, later.
    assert_eq!(bench.ask(&questions, "enb3", after(0)), 1);
    assert_eq!(bench.ask(&questions, "enb3", after(1)), 0);
    assert_eq!(bench.ask(&questions, "enb3", after(7)), 1);
}

#[test]
fn a_weak_answer_is_for_those_who_allow_it_until_a_strong_one_comes() {
    let bench = Bench::new();
    let questions = bench.pki.0.answers.questions().unwrap();
    let digest = bench.folder.path().join("digest");
    fs::write(&digest, "sha1").unwrap();
    let weak = |now| {
        let (certificate, ca) = (bench.certificate("enb1"), bench.certificate("ca"));
        bench
            .pki
            .ocsp_status(&certificate, &ca, &bench.responder, now, true)
    };
    assert_eq!(bench.ask(&questions, "enb1", after(0)), 1);
    assert_eq!(weak(after(0)), Status::Good);
    let refused = Status::Unknown(Unknown::Weak);
    assert_eq!(bench.status("enb1", after(0)), refused);
    assert_eq!(questions.try_iter().count(), 0, "it was asked just now");
    fs::write(&digest, "sha256").unwrap();
    assert_eq!(bench.ask(&questions, "enb1", after(7)), 1);
    assert_eq!(bench.status("enb1", after(7)), Status::Good);
}

#[test]
fn a_responder_that_is_away_is_asked_for_nobody() {
    let mut bench = Bench::new();
    let questions = bench.pki.0.answers.questions().unwrap();
    let good = bench.responder.url.take();
    assert_eq!(bench.ask(&questions, "enb1", after(0)), 0, "no URL at all");
    bench.responder.url = Some(server(vec![|stream, _| {
        stream.write_all(b"HTTP/1.1 503 Busy\r\n\r\n")
    }]));
    assert_eq!(bench.ask(&questions, "enb1", after(0)), 1);
    assert_eq!(bench.ask(&questions, "enb2", after(1)), 0);
    // Another one is asked, and knows.
    bench.responder.url = good;
    assert_eq!(bench.ask(&questions, "enb2", after(1)), 1);
    assert_eq!(bench.status("enb2", after(1)), Status::Revoked);
}

#[test]
fn the_thread_asks_and_ends_with_the_last_handle() {
    let bench = Bench::new();
    let questions = bench.pki.0.answers.questions().unwrap();
    let shared = std::sync::Arc::downgrade(&bench.pki.0);
    let (told, ended) = sync_channel(1);
    let thread = thread::spawn(move || {
        run(&shared, &questions);
        told.send(()).unwrap();
    });
    let mut tries = 0;
    while bench.status("enb1", after(0)) != Status::Good {
        tries += 1;
        assert!(tries < 1000);
        let _ = ended.recv_timeout(Duration::from_millis(20));
    }
    drop(bench);
    ended.recv().unwrap();
    thread.join().unwrap();
}

#[test]
fn a_strict_gateway_takes_a_peer_once_the_responder_has_said_that_it_is_good() {
    let bench = Bench::new();
    let questions = bench.pki.0.answers.questions().unwrap();
    let profile = CaProfile {
        name: "ca".to_owned(),
        anchors: vec![bench.certificate("ca")],
    };
    let check = Check {
        mode: CheckMode::Strict,
        responder: Some(bench.responder.clone()),
    };
    let judge = Judge {
        validator: Validator::new(vec![profile], Policy::default()),
        checks: [("ca".to_owned(), check)].into(),
        key_kinds: vec![],
        missing: None,
        allow_weak: false,
    };
    let authority = Certificates::new(bench.pki.clone());
    let judges = [("gw".to_owned(), Arc::new(judge))].into();
    authority.set(Arc::new(Keys {
        judges,
        ..Keys::default()
    }));
    let octets = b"what is signed".to_vec();
    let verdict = |name: &str| {
        let pem = fs::read(bench.folder.path().join(format!("{name}.key"))).unwrap();
        let key = PrivateKey::import(&pem, &Secret::default()).unwrap();
        let scheme = Scheme::choose(&key, Some(&[2]), Accept::default()).unwrap();
        let signature = AuthSignature::sign(&key, scheme, &octets).unwrap();
        let request = VerifyRequest {
            trust: "gw".to_owned(),
            identity: to_payload(&Identity::Fqdn(format!("{name}.example"))),
            certificates: vec![bench.certificate(name).der().to_vec()],
            ocsp: None,
            method: signature.method,
            signature: signature.data,
            octets: octets.clone(),
        };
        let verdict = authority.verify(&request);
        verdict.map_err(|denial| denial.to_string())
    };
    for (name, then) in [("enb1", Ok(())), ("enb2", Err("is revoked"))] {
        let first = verdict(name).unwrap_err();
        assert!(first.contains("is not known"), "{first}");
        let asked: Vec<Question> = questions.try_iter().collect();
        assert_eq!(asked.len(), 1);
        bench.pki.ask(&asked[0]);
        let second = verdict(name);
        match then {
            Ok(()) => assert_eq!(second, Ok(())),
            Err(part) => assert!(second.unwrap_err().contains(part)),
        }
    }
}

#[test]
fn answers_are_bounded() {
    let bench = Bench::new();
    let (ca, enb) = (bench.certificate("ca"), bench.certificate("enb1"));
    let mut tables = bench.pki.0.answers.tables();
    for n in 0..MAX_ANSWERS as i64 {
        let (id, _) = key(&enb, &ca);
        tables.answer((id, n.to_be_bytes().to_vec()), WallTime(n));
    }
    tables.answer(key(&enb, &ca), WallTime(1 << 40));
    assert_eq!(tables.answers.len(), MAX_ANSWERS);
    let (id, _) = key(&enb, &ca);
    assert!(
        !tables
            .answers
            .contains_key(&(id.clone(), 0i64.to_be_bytes().to_vec()))
    );
    assert!(
        tables
            .answers
            .contains_key(&(id, 1i64.to_be_bytes().to_vec()))
    );
}

#[test]
fn a_response_about_our_certificate_is_kept_for_peers() {
    let bench = Bench::new();
    let questions = bench.pki.0.answers.questions().unwrap();
    let subject = |name: &str| Subject {
        certificate: bench.certificate(name),
        issuer: bench.certificate("ca"),
        responder: bench.responder.clone(),
    };
    let (good, revoked) = (subject("enb1"), subject("enb2"));
    // As of a peer: known, and not kept.
    assert_eq!(bench.ask(&questions, "enb1", after(0)), 1);
    assert_eq!(bench.status("enb1", after(1)), Status::Good);
    for subject in [&good, &revoked] {
        assert_eq!(bench.pki.stapled(subject, after(1)), None);
        let question = questions.try_recv().unwrap();
        assert!(question.no_nonce && question.keep);
        assert_eq!(bench.pki.stapled(subject, after(1)), None, "under way");
        assert!(questions.try_recv().is_err());
        bench.pki.ask(&question);
    }
    let der = bench.pki.stapled(&good, after(1)).unwrap();
    let read = OcspResponse::read(&der, &good.issuer, None, after(1), false).unwrap();
    let status = read.status(&good.certificate, &good.issuer, after(1));
    assert_eq!(status, Status::Good);
    assert_eq!(bench.pki.stapled(&revoked, after(1)), None);
    assert_eq!(questions.try_iter().count(), 0);
    // A day is over.
    assert_eq!(bench.pki.stapled(&good, after(2 * 86_400)), None);
    assert_eq!(questions.try_iter().count(), 1);
}
