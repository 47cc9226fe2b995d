use super::*;

#[test]
fn what_a_message_cannot_carry_is_refused_by_name() {
    let line = |e: ProofError| e.to_string();
    let none = Credential::new("segw", Vec::new()).unwrap_err();
    assert_eq!(
        line(none),
        "credential segw: a chain has 1 to 16 certificates, not 0"
    );
    let many = Credential::new("segw", vec![vec![1]; MAX_CERTIFICATES + 1]).unwrap_err();
    assert!(line(many).ends_with("not 17"));
    let whole = vec![vec![0; MAX_CHAIN_OCTETS / 2]; 2];
    assert_eq!(
        Credential::new("segw", whole.clone()).unwrap().chain(),
        whole
    );
    let long = Credential::new("segw", [whole, vec![vec![0]]].concat()).unwrap_err();
    assert_eq!(
        line(long),
        "credential segw: a chain has 12288 octets at most, not 12289"
    );
    assert_eq!(
        line(Trust::new("", Vec::new(), false).unwrap_err()),
        "a name has 1 to 255 octets, not 0"
    );
    let cas = Trust::new("ran", vec![[0; 20]; MAX_AUTHORITIES + 1], false).unwrap_err();
    assert_eq!(line(cas), "trusted CAs ran: 32 at most, not 33");
}
