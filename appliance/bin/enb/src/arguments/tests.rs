use super::*;

const NEEDED: &str = "--gateway 192.0.2.1 --local 192.0.2.10 --psk-file key";

fn parse(text: &str) -> Result<Arguments, ArgumentError> {
    match Arguments::parse(text.split_whitespace().map(str::to_owned)) {
        Ok(Command::Run(arguments)) => Ok(*arguments),
        Ok(Command::Print(text)) => panic!("{text}"),
        Err(error) => Err(error),
    }
}

fn complaint(more: &str) -> String {
    parse(&format!("{NEEDED} {more}")).unwrap_err().to_string()
}

#[test]
fn every_option_of_the_help_is_taken() {
    let all = parse(
        "--gateway 2001:db8::1 --local 2001:db8::2,2001:db8::3 --psk-file key --gateway-id secgw.example \
         --identity site{}@example --count 60000 --first 7 --inner 2001:db8:45::1 --remote 2001:db8:b::/64 \
         --ike aes-256-cbc/sha-256/sha-384/group19 --esp aes-128-cbc/hmac-sha-256-128 --pfs group20 --ike-lifetime 60 \
         --esp-lifetime 30 --dpd 10 --window 5 --rate 100 --hold 1.5 --churn 0.5 --leave --json out.json",
    )
    .unwrap();
    assert_eq!(all.local.len(), 2);
    assert_eq!(all.gateway_id, Some(Identity::Fqdn("secgw.example".into())));
    assert_eq!((all.count, all.first, all.window), (60_000, 7, 5));
    assert_eq!(all.ike.to_string(), "aes-256-cbc/sha-256/sha-384/group19");
    assert_eq!(all.esp.integ(), Some(EspInteg::HmacSha256_128));
    assert_eq!(all.pfs, Some(DhGroup::Ecp384));
    assert_eq!((all.ike_lifetime_s, all.esp_lifetime_s), (60, 30));
    assert_eq!(all.dpd, Some(Duration::from_secs(10)));
    assert_eq!(all.hold, Duration::from_millis(1500));
    assert_eq!((all.rate, all.churn), (Some(100.0), Some(0.5)));
    assert!(all.leave && all.json.is_some());
}

#[test]
fn each_side_has_a_certificate_or_the_pre_shared_key() {
    let addresses = "--gateway 192.0.2.1 --local 192.0.2.10";
    let (own, ca) = ("--certificate {}.pem --key k.pem", "--ca ca.pem");
    let both = parse(&format!("{addresses} {own} {ca}")).unwrap();
    assert_eq!(
        both.certificate,
        Some(["{}.pem", "k.pem"].map(str::to_owned))
    );
    assert_eq!((both.ca, both.psk_file), (Some("ca.pem".into()), None));
    for one in [own, ca] {
        parse(&format!("{addresses} {one}")).unwrap_err();
        parse(&format!("{NEEDED} {one}")).unwrap();
    }
}

#[test]
fn what_is_wrong_is_named() {
    let missing = parse("--gateway 192.0.2.1 --local 192.0.2.2").unwrap_err();
    assert_eq!(
        missing.to_string(),
        "--psk-file, or --certificate, --key and --ca, is missing"
    );
    assert_eq!(complaint("--key k.pem"), "--certificate is missing");
    assert_eq!(complaint("--certificate c.pem"), "--key is missing");
    assert_eq!(complaint("--speed 1"), "unexpected argument `--speed`");
    assert_eq!(complaint("--rate"), "--rate needs a value");
    assert_eq!(
        complaint("--count 0"),
        format!("--count 0: a number from 1 to {MAX_ENBS} is expected")
    );
    assert!(
        complaint("--ike aes-256-gcm/sha-256/sha-256/group19").starts_with("--ike aes-256-gcm")
    );
    assert!(complaint("--esp aes-256-cbc").starts_with("--esp aes-256-cbc: an AEAD"));
    assert_eq!(
        complaint("--local 2001:db8::2"),
        "--local 2001:db8::2 is not of the family of --gateway 192.0.2.1"
    );
}
