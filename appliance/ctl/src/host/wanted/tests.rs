use super::*;

const HASH: &str = "$6$saltsalt$abcdefghijklmnop./0123456789";

#[test]
fn a_hash_is_told_from_other_texts_and_never_shown() {
    let hash = PasswordHash::try_from(HASH.to_owned()).unwrap();
    assert_eq!(hash.expose(), HASH);
    assert_eq!(format!("{hash:?}"), "PasswordHash");
    for bad in [
        "",
        "secret",
        "$1$saltsalt$abcdefghijklmnop",
        "$6$short",
        "$6$salt$abcdefghijklmnop:0:0",
        "$6$saltsalt$abcdefghijklmnop\nroot::0",
    ] {
        assert!(PasswordHash::try_from(bad.to_owned()).is_err(), "{bad:?}");
    }
    let error = NoPasswordHash.to_string();
    assert!(error.contains("crypt(5)"), "{error}");
}

#[test]
fn classes_have_an_order() {
    assert!(Class::ReadOnly < Class::Operator && Class::Operator < Class::SuperUser);
    assert_eq!(Class::SuperUser.name(), "super-user");
}
