//! The YANG modules of this product, compiled into the binary.
//!
//! The order matters: a module stands after those it imports, so that the statements of `security` print in this order.

/// A YANG module: its name and its text.
pub type Source = (&'static str, &'static str);

macro_rules! module {
    ($name:literal) => {
        ($name, include_str!(concat!("../yang/", $name, ".yang")))
    };
}

/// All modules, each after those it imports or augments.
pub const SOURCES: &[Source] = &[
    module!("ravelin-extensions"),
    module!("ravelin-types"),
    module!("ravelin-system"),
    module!("ravelin-chassis"),
    module!("ravelin-interfaces"),
    module!("ravelin-routing"),
    module!("ravelin-routing-instances"),
    module!("ravelin-security"),
    module!("ravelin-security-pki"),
    module!("ravelin-security-key-manager"),
    module!("ravelin-security-ike-algorithms"),
    module!("ravelin-security-ike-gateway"),
    module!("ravelin-security-ike"),
    module!("ravelin-security-ipsec"),
    module!("ravelin-security-flow"),
    module!("ravelin-access"),
];
