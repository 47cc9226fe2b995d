//! The configurations that the demo and the system tests use are valid as they stand: a slip in one would otherwise show
//! only as a gateway that does not get ready.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use ravelin_config::Model;
use ravelin_tests::site::CONFIGURATION;

const PAIR: &str = include_str!("../configs/pair.conf");
const FACTORY: &str = include_str!("../../image/root/usr/share/ravelin/factory-default.conf");

#[test]
fn every_configuration_of_the_tests_is_valid() {
    let model = Model::new().unwrap();
    let pair = PAIR
        .replace("LOCAL", "203.0.113.1")
        .replace("REMOTE", "203.0.113.2")
        .replace("INNER", "10.71.0")
        .replace("OTHER", "10.72.0")
        .replace("ESTABLISH", "immediately");
    for (name, text) in [
        ("site.conf", CONFIGURATION),
        ("pair.conf", &pair),
        ("factory-default.conf", FACTORY),
    ] {
        if let Err(problem) = model.load(name, text) {
            panic!("{problem}");
        }
    }
}
