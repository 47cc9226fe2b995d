//! One line for a header, one for each payload.

use crate::identity::payload_text;
use crate::msg::cert::encoding;
use crate::msg::cp::{Cp, cfg};
use crate::msg::delete::Delete;
use crate::msg::header::{ExchangeType, Header};
use crate::msg::notify::{Notify, kind};
use crate::msg::payload::{Payload, PayloadType};
use crate::msg::sa::{Proposal, Sa, protocol};
use crate::msg::ts::{Range, Selector, Ts};
use crate::registry::{group_name, method_name, notification, transform_name};
use crate::text::opaque_text;

/// `IKE_AUTH request 1 of 0123456789abcdef:fedcba9876543210 (initiator's), 412 octets`
pub(super) fn header(h: &Header, octets: usize) -> String {
    let kind = if h.response { "response" } else { "request" };
    let exchange = match h.exchange {
        ExchangeType::IkeSaInit => "IKE_SA_INIT".to_owned(),
        ExchangeType::IkeAuth => "IKE_AUTH".to_owned(),
        ExchangeType::CreateChildSa => "CREATE_CHILD_SA".to_owned(),
        ExchangeType::Informational => "INFORMATIONAL".to_owned(),
        ExchangeType::IkeIntermediate => "IKE_INTERMEDIATE".to_owned(),
        ExchangeType::IkeFollowupKe => "IKE_FOLLOWUP_KE".to_owned(),
        ExchangeType::Other(number) => format!("exchange {number}"),
    };
    format!(
        "{exchange} {kind} {}, SPIs {:016x} {:016x}, {octets} octets",
        h.message_id, h.spi_i, h.spi_r
    )
}

/// `request: attribute 1, attribute 3 (0a000035)`
fn configuration(cp: &Cp) -> String {
    let kind = match cp.kind {
        cfg::REQUEST => "request",
        cfg::REPLY => "reply",
        cfg::SET => "set",
        cfg::ACK => "acknowledgement",
        _ => "of unknown type",
    };
    let attributes = cp.attributes.iter().map(|a| {
        let value: String = a.value.iter().map(|o| format!("{o:02x}")).collect();
        if value.is_empty() {
            format!("attribute {}", a.kind)
        } else {
            format!("attribute {} ({value})", a.kind)
        }
    });
    format!("{kind}: {}", attributes.collect::<Vec<_>>().join(", "))
}

/// A payload by its name, with what it says.
pub(super) fn payload(payload: &Payload) -> String {
    let text = match payload {
        Payload::Sa(sa) => proposals(sa),
        Payload::Ke(ke) => {
            let group = group_name(ke.group);
            format!("{group}, {} octets", ke.public.len())
        }
        Payload::IdI(id) | Payload::IdR(id) => payload_text(id),
        Payload::Cert(cert) => {
            let kind = certificate(cert.encoding);
            format!("{kind}, {} octets", cert.data.len())
        }
        Payload::CertReq(request) => {
            let kind = certificate(request.encoding);
            format!(
                "{kind}, {} octets of authorities",
                request.authorities.len()
            )
        }
        Payload::Auth(auth) => {
            let method = method_name(auth.method)
                .map_or_else(|| format!("method {}", auth.method), str::to_owned);
            format!("{method}, {} octets", auth.data.len())
        }
        Payload::Nonce(nonce) => format!("{} octets", nonce.0.len()),
        Payload::Notify(notify) => notify_text(notify),
        Payload::Delete(Delete::Ike) => "the IKE SA".to_owned(),
        Payload::Delete(Delete::Children { protocol, spis }) => {
            let spis: Vec<String> = spis.iter().map(|spi| format!("{spi:08x}")).collect();
            format!("{} {}", protocol_name(*protocol), spis.join(" "))
        }
        Payload::Vendor(vendor) => vendor_text(&vendor.0),
        Payload::TsI(ts) | Payload::TsR(ts) => selectors(ts),
        Payload::Sk(_) => "protected".to_owned(),
        Payload::Skf(skf) => format!("fragment {} of {}", skf.number, skf.total),
        Payload::Cp(cp) => configuration(cp),
        Payload::Opaque(opaque) => format!("{} octets", opaque.data.len()),
        Payload::Unknown(unknown) => {
            let critical = if unknown.critical { "critical, " } else { "" };
            format!("{critical}{} octets", unknown.data.len())
        }
    };
    let name = PayloadType::Payload(payload.kind()).to_string();
    let name = name.strip_prefix("payload ").unwrap_or(&name);
    let name = match payload {
        Payload::Unknown(_) => format!("payload {name}"),
        _ => name.to_owned(),
    };
    format!("{name}: {text}")
}

fn proposals(sa: &Sa) -> String {
    let texts: Vec<String> = sa.proposals.iter().map(proposal).collect();
    texts.join("; ")
}

fn proposal(p: &Proposal) -> String {
    let spi = if p.spi.is_empty() {
        String::new()
    } else {
        format!(" SPI {}", hex(&p.spi))
    };
    let transforms: Vec<String> = p.transforms.iter().map(transform_name).collect();
    format!(
        "{} {}{spi}: {}",
        p.number,
        protocol_name(p.protocol),
        transforms.join(" ")
    )
}

fn protocol_name(number: u8) -> String {
    match number {
        protocol::IKE => "IKE".to_owned(),
        protocol::AH => "AH".to_owned(),
        protocol::ESP => "ESP".to_owned(),
        other => format!("protocol {other}"),
    }
}

fn certificate(number: u8) -> String {
    match number {
        encoding::X509_SIGNATURE => "X.509 certificate".to_owned(),
        encoding::OCSP_CONTENT => "OCSP content".to_owned(),
        encoding::HASH_AND_URL => "hash and URL of a certificate".to_owned(),
        13 => "hash and URL of a bundle".to_owned(),
        other => format!("encoding {other}"),
    }
}

fn notify_text(n: &Notify) -> String {
    let name = notification(n.kind).map_or_else(|| format!("type {}", n.kind), str::to_owned);
    let about = if n.spi.is_empty() {
        String::new()
    } else {
        format!(" {} {}", protocol_name(n.protocol), hex(&n.spi))
    };
    let data = match n.data.len() {
        // Of type PPK_ID_FIXED (RFC 8784 section 5.1); it is no secret.
        _ if n.kind == kind::PPK_IDENTITY && n.data.first() == Some(&2) => {
            let id = n.data.get(1..).unwrap_or_default();
            return format!("{name} {}", opaque_text(id));
        }
        0 => String::new(),
        length => format!(", {length} octets"),
    };
    format!("{name}{about}{data}")
}

fn vendor_text(data: &[u8]) -> String {
    match std::str::from_utf8(data) {
        Ok(text) if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() || c == ' ') => {
            text.to_owned()
        }
        _ => hex(data.get(..16).unwrap_or(data)),
    }
}

fn selectors(ts: &Ts) -> String {
    let texts: Vec<String> = ts.selectors.iter().map(selector).collect();
    texts.join(", ")
}

/// As it came, whether it makes sense or not.
fn selector(selector: &Selector) -> String {
    let Range {
        protocol,
        port_start,
        port_end,
        start,
        end,
    } = match selector {
        Selector::Range(range) => *range,
        Selector::Other { kind, data, .. } => {
            return format!("type {kind}, {} octets", data.len());
        }
    };
    let ports = match (port_start, port_end) {
        (0, u16::MAX) => String::new(),
        (first, last) if first == last => format!(" port {first}"),
        (first, last) => format!(" ports {first}-{last}"),
    };
    let protocol = match protocol {
        0 => String::new(),
        number => format!(" protocol {number}"),
    };
    format!("{start}-{end}{protocol}{ports}")
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
