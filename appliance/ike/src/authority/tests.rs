use super::*;

#[test]
fn a_denial_is_one_line_of_bounded_length() {
    let line = Denial::new("CN=x\nIKE_AUTH: all is well\u{1b}[2J").to_string();
    assert_eq!(line, "CN=x?IKE_AUTH: all is well?[2J");
    let long = Denial::new(&"\u{fc}".repeat(MAX_DENIAL_CHARS + 1)).to_string();
    assert_eq!(long.chars().count(), MAX_DENIAL_CHARS);
}

#[test]
fn who_has_no_keys_says_so() {
    let sign = SignRequest {
        credential: "segw".into(),
        peer_hashes: None,
        ocsp: false,
        octets: Vec::new(),
    };
    let line = NoAuthority.sign(&sign).unwrap_err().to_string();
    assert_eq!(line, "there is no certificate segw");
    let verify = VerifyRequest {
        trust: "ran".into(),
        identity: Id {
            kind: 2,
            reserved: [0; 3],
            data: Vec::new(),
        },
        certificates: vec![vec![0]],
        ocsp: None,
        method: 14,
        signature: Vec::new(),
        octets: Vec::new(),
    };
    let line = NoAuthority.verify(&verify).unwrap_err().to_string();
    assert_eq!(line, "there are no trusted CAs ran");
}
