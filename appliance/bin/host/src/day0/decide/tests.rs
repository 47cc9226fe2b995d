use super::*;
use ravelin_ctl::day0::Kind;

#[test]
fn the_table() {
    use Decision::*;
    use Stored::*;
    let source = |digest: &str| Source {
        kind: Kind::File,
        name: String::new(),
        digest: digest.to_owned(),
    };
    let (a, b) = (source("a"), source("b"));
    for (stored, applied, found, expected) in [
        (Nothing, None, None, FactoryDefault),
        (Nothing, Some(&a), None, FactoryDefault),
        (Nothing, None, Some(&a), Apply),
        (Nothing, Some(&a), Some(&a), WasRemoved),
        (Nothing, Some(&a), Some(&b), Apply),
        (Configuration, None, None, Keep),
        (Configuration, Some(&a), None, Keep),
        (Configuration, None, Some(&a), Compare),
        (Configuration, Some(&a), Some(&a), Keep),
        (Configuration, Some(&a), Some(&b), Compare),
    ] {
        assert_eq!(decide(stored, applied, found), expected);
    }
}
