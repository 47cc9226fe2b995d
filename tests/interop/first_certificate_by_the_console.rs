//! The first certificate of a gateway by its console: a key pair, a request, which a CA signs, the certificate, the CA and its
//! revocation list; they are there after a restart, and a private key is nowhere to be seen. OpenSSL is the CA.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_tests::gateway::Gateway;
use ravelin_tests::netns::Netns;
use ravelin_tests::site::CONFIGURATION;
use ravelin_tests::wait::wait_until;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// Neither packets nor NICs are needed.
const DAEMONS: [&str; 2] = ["iked", "mgmtd"];

const CA: &str = "
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -keyout ca.key -out ca.pem \
        -subj '/O=Example/CN=Example CA' -addext basicConstraints=critical,CA:TRUE \
        -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
    touch index.txt
    echo 01 >serial
    echo 01 >crlnumber
    printf '[ca]\\ndefault_ca=ca_default\\n[ca_default]\\ndatabase=index.txt\\ncrlnumber=crlnumber\\n' >ca.cnf
    printf 'default_md=sha256\\ndefault_crl_days=7\\n' >>ca.cnf";
const SIGN: &str = "
    openssl req -in gw1.csr -verify -noout 2>/dev/null
    openssl x509 -req -in gw1.csr -CA ca.pem -CAkey ca.key -days 30 -copy_extensions copyall -out gw1.pem 2>/dev/null
    openssl x509 -in gw1.pem -noout -fingerprint -sha256 | tr -d : | tr A-F a-f >fingerprint
    openssl ca -config ca.cnf -gencrl -keyfile ca.key -cert ca.pem -out ca.crl 2>/dev/null
    openssl req -x509 -newkey rsa:2048 -days 30 -keyout gw2.key -passout pass:geheim -out gw2.pem -subj /CN=gw2 2>/dev/null
    openssl pkcs12 -export -inkey gw2.key -passin pass:geheim -in gw2.pem -out gw2.p12 -passout pass:geheim";

fn started(gateway: &Gateway) {
    let ready = wait_until("iked at mgmtd", Duration::from_secs(30), || {
        Ok(gateway.cli("show security pki crl").ok())
    });
    ready.unwrap();
}

/// The rows of a report.
fn rows(gateway: &Gateway, what: &str, list: &str) -> Vec<Value> {
    let report = gateway
        .report(&format!("show security pki {what}"))
        .unwrap();
    report.get(list).and_then(Value::as_array).unwrap().clone()
}

fn private_keys(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            private_keys(&path, found);
        } else if let Ok(text) = fs::read(&path)
            && String::from_utf8_lossy(&text).contains("PRIVATE KEY")
        {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn first_certificate_by_the_console() {
    let netns = Netns::new("pki").unwrap();
    let folder = ravelin_tests::artifacts("first_certificate").unwrap();
    let mut gateway = Gateway::start_some(&netns, &folder, CONFIGURATION, &DAEMONS).unwrap();
    started(&gateway);
    let work = tempfile::tempdir().unwrap();
    let file = |name: &str| work.path().join(name).display().to_string();
    let shell = |script: &str| {
        let script = format!("cd {}\n{script}", work.path().display());
        netns.sh(&script).unwrap()
    };
    let request = |rest: &str| gateway.cli(&format!("request security pki {rest}"));
    shell(CA);

    let made = request("generate-key-pair certificate-id gw1 type ecdsa size 384").unwrap();
    assert_eq!(made, "Generated key pair gw1, ECDSA P-384\n");
    let again = request("generate-key-pair certificate-id gw1").unwrap_err();
    assert!(
        again.to_string().contains("key pair gw1 exists already"),
        "{again}"
    );
    let pem = request(&format!(
        "generate-certificate-request certificate-id gw1 subject \"CN=gw1, O=Example\" \
         domain-name gw1.example.net ip-address 192.0.2.1 filename {}",
        file("gw1.csr")
    ));
    assert!(
        pem.unwrap()
            .starts_with("-----BEGIN CERTIFICATE REQUEST-----\n")
    );
    shell(SIGN);
    for (order, expected) in [
        (
            "ca-certificate load ca-profile example filename ca.pem",
            "CN=Example CA,O=Example",
        ),
        (
            "crl load ca-profile example filename ca.crl",
            "Revocation list of example loaded",
        ),
        (
            "local-certificate load certificate-id gw1 filename gw1.pem",
            "CN=gw1,O=Example",
        ),
    ] {
        let (head, name) = order.rsplit_once(' ').unwrap();
        let done = request(&format!("{head} {}", file(name))).unwrap();
        assert!(done.contains(expected), "{order}: {done}");
    }
    let foreign = request(&format!(
        "local-certificate load certificate-id gw1 filename {}",
        file("ca.pem")
    ));
    let foreign = foreign.unwrap_err().to_string();
    assert!(
        foreign.contains("belongs to the private key of gw1"),
        "{foreign}"
    );
    // A passphrase comes by standard input, from no command line.
    let p12 = format!(
        "request security pki local-certificate load certificate-id gw2 filename {}",
        file("gw2.p12")
    );
    let typed = |passphrase: &str| {
        use std::io::Write;
        use std::process::Stdio;
        let mut command = gateway.cli_command(&p12);
        let command = command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let line = format!("{passphrase}\n");
        child
            .stdin
            .take()
            .unwrap()
            .write_all(line.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        (output.status.success(), errors)
    };
    let (done, errors) = typed("falsch");
    assert!(
        !done && errors.contains("passphrase is missing or wrong"),
        "{errors}"
    );
    assert_eq!(typed("geheim"), (true, String::new()));

    gateway.daemon("iked").unwrap().stop().unwrap();
    gateway.start_daemon("iked").unwrap();
    started(&gateway);
    let locals = rows(&gateway, "local-certificate", "local_certificates");
    assert_eq!(locals.len(), 2, "{locals:?}");
    let gw1 = &locals[0];
    assert_eq!(
        (&gw1["name"], &gw1["key_match"]),
        (&"gw1".into(), &true.into())
    );
    let names: Vec<Value> = vec!["gw1.example.net".into(), "192.0.2.1".into()];
    assert_eq!(gw1["certificate"]["names"], Value::from(names));
    let fingerprint = fs::read_to_string(file("fingerprint")).unwrap();
    let fingerprint = fingerprint.trim().rsplit_once('=').unwrap().1;
    assert_eq!(gw1["certificate"]["sha256"], fingerprint);
    assert_eq!(locals[1]["key"], "RSA 2048");
    let cas = rows(&gateway, "ca-certificate", "ca_certificates");
    assert_eq!((cas.len(), &cas[0]["profile"]), (1, &"example".into()));
    let lists = rows(&gateway, "crl", "revocation_lists");
    assert_eq!(
        (lists.len(), &lists[0]["list"]["stale"]),
        (1, &false.into())
    );

    // In the store alone, for its owner alone; neither in a log nor in an answer.
    let store = gateway.socket("iked").with_file_name("pki");
    let mut found = vec![];
    private_keys(&store, &mut found);
    assert_eq!(found.len(), 2, "{found:?}");
    for path in &found {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{path}");
    }
    let mut elsewhere = vec![];
    private_keys(gateway.folder(), &mut elsewhere);
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    let cleared = gateway
        .cli("clear security pki key-pair certificate-id gw2")
        .unwrap();
    assert_eq!(cleared, "1 key pair deleted\n");
    assert_eq!(
        rows(&gateway, "local-certificate", "local_certificates").len(),
        1
    );
}
