//! Writes the committed seeds that are valid messages: `CXX=clang++-19 cargo run -p ravelin-fuzz --example seeds`, then commit
//! `tests/fuzz/corpus`. Seeds of text formats are written by hand.

use std::path::Path;

// Some of it is for the targets only.
#[path = "seeds/auth.rs"]
mod auth;
#[allow(dead_code)]
#[path = "../src/authority.rs"]
mod authority;
#[path = "seeds/ctl.rs"]
mod ctl;
#[path = "seeds/day0.rs"]
mod day0;
#[path = "seeds/encrypted.rs"]
mod encrypted;
#[path = "seeds/esp.rs"]
mod esp;
#[path = "seeds/ike.rs"]
mod ike;
#[path = "seeds/netlink.rs"]
mod netlink;
// Some of it is for the target only.
#[allow(dead_code)]
#[path = "../src/peer.rs"]
mod peer;
#[path = "seeds/pki.rs"]
mod pki;

/// Name and octets of a seed.
pub type Seed = (&'static str, Vec<u8>);

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (target, seeds) in [
        (
            "certificate",
            pki::certificates().map_err(std::io::Error::other)?,
        ),
        ("crl", pki::lists()),
        (
            "ocsp_response",
            pki::answers().map_err(std::io::Error::other)?,
        ),
        ("ctl_frame", ctl::seeds()),
        ("day0_seed", day0::seeds()),
        ("esp_decapsulate", esp::seeds()),
        ("ike_auth", auth::seeds()),
        ("ike_encrypted", encrypted::seeds()),
        ("ike_message", ike::seeds()),
        ("netlink_message", netlink::seeds()),
    ] {
        let folder = corpus.join(target);
        std::fs::create_dir_all(&folder)?;
        for (name, octets) in seeds {
            std::fs::write(folder.join(name), octets)?;
        }
    }
    Ok(())
}
