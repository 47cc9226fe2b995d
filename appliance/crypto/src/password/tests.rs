use super::*;

/// Vectors of the paper's reference code.
#[test]
fn the_papers_vectors_come_out() {
    for (password, salt, rounds, expected) in [
        (
            "Hello world!",
            "saltstring",
            5_000,
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        ),
        (
            "Hello world!",
            "saltstringsaltst",
            10_000,
            "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
        ),
        (
            "a very much longer text to encrypt.  This one even stretches over morethan one line.",
            "anotherlongsalts",
            1_400,
            "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1",
        ),
    ] {
        let hash = sha512_crypt(password.as_bytes(), salt.as_bytes(), rounds);
        assert_eq!(hash, expected);
    }
}

#[test]
fn every_hash_has_a_salt_of_its_own() {
    let one = hash_password(b"secret12").unwrap();
    let other = hash_password(b"secret12").unwrap();
    assert_ne!(one, other);
    assert!(
        one.starts_with("$6$rounds=50000$") && one.len() == 16 + 16 + 1 + 86,
        "{one}"
    );
}
