use super::*;

const NEEDED: &str = "--gateway 192.0.2.1 --local 192.0.2.10 --psk-file key";

fn parse(text: &str) -> Result<Arguments, ArgumentError> {
    match Arguments::parse(text.split_whitespace().map(str::to_owned)) {
        Ok(Command::Run(arguments)) => Ok(*arguments),
        Ok(other) => panic!("{other:?}"),
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
         --identity site{}@example --count 60000 --first 7 --inner 10.0.0.1,2001:db8:45::1 --remote 2001:db8:b::/64 \
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

#[test]
fn traffic_fits_addresses_and_algorithms() {
    let both = "--inner 10.0.0.1,2001:db8::1 --traffic 198.51.100.10,[2001:db8:b::10]:9000";
    let all = parse(&format!(
        "{NEEDED} {both} --pps 5000 --flows 3 --size 96,1400 --nat"
    ));
    let all = all.unwrap();
    assert!(all.nat);
    let load = all.load.unwrap();
    let reflectors = ["198.51.100.10:862", "[2001:db8:b::10]:9000"];
    assert_eq!(load.reflectors, reflectors.map(|r| r.parse().unwrap()));
    assert_eq!(
        (load.pps, load.flows, load.sizes),
        (5000.0, 3, vec![96, 1400])
    );
    let imix = parse(&format!("{NEEDED} --traffic 198.51.100.10 --size imix")).unwrap();
    let sizes = imix.load.unwrap().sizes;
    let count = |size| sizes.iter().filter(|s| **s == size).count();
    assert_eq!([count(96), count(576), count(1400)], [7, 4, 1]);

    assert_eq!(
        complaint("--traffic 2001:db8::1"),
        "--traffic 2001:db8::1: no address of --inner is of its family"
    );
    assert_eq!(
        complaint("--inner 10.0.0.1,10.0.0.2"),
        "--inner 10.0.0.1, 10.0.0.2: one address of each family is expected"
    );
    assert!(complaint("--traffic 10.1.0.1,10.1.0.2").contains("at most one of each family"));
    assert!(complaint("--traffic 10.1.0.1 --size 95").contains("96 to 9000"));
    let cbc = complaint("--traffic 10.1.0.1 --esp aes-128-cbc/hmac-sha-256-128");
    assert!(cbc.contains("AES-GCM"), "{cbc}");
}

#[test]
fn the_reflector_has_addresses() {
    let parse = |text: &str| Arguments::parse(text.split_whitespace().map(str::to_owned));
    match parse("reflect 198.51.100.10,2001:db8:b::10") {
        Ok(Command::Reflect(addresses)) => assert_eq!(addresses.len(), 2),
        other => panic!("{other:?}"),
    }
    assert!(parse("reflect").is_err());
    assert!(parse("reflect here").is_err());
}
