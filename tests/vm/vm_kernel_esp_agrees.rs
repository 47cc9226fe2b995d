//! The ESP and AH of the Linux kernel agree with ours: every algorithm, in tunnel and transport mode, IPv4 and IPv6 inside and outside, with
//! and without extended sequence numbers, at every padding, up to the MTU, and with options and extension headers.
//!
//! For each of these forms a peer guest gets an SA pair with random keys and its policies, and is sent echo requests that our code has
//! sealed; what it answers, our code opens. So the kernel judges what we seal, and we what it seals. A packet that was changed on its way
//! and one that came twice must be refused, counted and not be answered.
//!
//! AH with AES-GMAC is not among them: the kernel's AH takes hashes only (`net/xfrm/xfrm_algo.c`). The keys of a run are in the guest's
//! script, among the artifacts.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "kernel_esp/form.rs"]
mod form;
#[path = "kernel_esp/our.rs"]
mod our;

use form::{Echo, Form, MTU_OCTETS, OUR_SPI, THEIR_SPI, TIMESTAMP};
use our::Our;
use ravelin_esp::EspDrop;
use ravelin_qemu::{End, Lab, Link, seconds};
use ravelin_tests::frame::{Frame, Kind};
use ravelin_tests::site::{V4, V6};
use ravelin_tests::vm::Peer;
use ravelin_tests::vm::evidence::{Refused, kernel_sas};
use ravelin_tests::vm::peer::host_script;
use ravelin_tests::vm::xfrm::statistics;
use ravelin_types::IpsecProtocol;
use ravelin_wire::ethernet::{self, Tags};
use ravelin_wire::ip;
use std::collections::BTreeMap;
use std::time::Duration;

const OUR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// An emulated processor that others use too.
const ANSWER_LIMIT: Duration = seconds(60);

/// The link to the guest, and the packets that crossed it.
struct Wire {
    end: End,
    guest: [u8; 6],
    sent: usize,
    answers: usize,
}

impl Wire {
    fn send(&mut self, packet: &[u8]) {
        let ethertype = match packet[0] >> 4 {
            6 => ethernet::TYPE_IPV6,
            _ => ethernet::TYPE_IPV4,
        };
        let mut frame = vec![0; ethernet::HEADER_OCTETS];
        ethernet::emit(&mut frame, self.guest, OUR_MAC, Tags::default(), ethertype).unwrap();
        frame.extend(packet);
        self.end.send(&frame).unwrap();
        self.sent += 1;
    }

    /// The next packet to our address of that form.
    fn answer(&mut self, form: &Form) -> Vec<u8> {
        let what = format!("an answer to {form}");
        let answer = self.end.expect(&what, ANSWER_LIMIT, |frame| {
            let packet = frame.get(ethernet::HEADER_OCTETS..)?;
            let meta = ip::parse(packet).ok()?;
            let is_ours = meta.destination == form.outer.ours;
            is_ours.then(|| packet[..usize::from(meta.total_octets)].to_vec())
        });
        self.answers += 1;
        answer.unwrap()
    }
}

/// The packet with one bit flipped, each form another one, behind SPI and sequence number: those lead elsewhere.
fn forged(form: &Form, sealed: &[u8]) -> Vec<u8> {
    let spared = match form.protocol {
        IpsecProtocol::Esp => 8,
        IpsecProtocol::Ah => 12,
    };
    let first = usize::from(ip::parse(sealed).unwrap().payload_at) + spared;
    let bit = form.number as usize * 53 % ((sealed.len() - first) * 8);
    let mut forged = sealed.to_vec();
    forged[first + bit / 8] ^= 1 << (bit % 8);
    forged
}

fn unrefused<T>(form: &Form, result: Result<T, EspDrop>) -> T {
    result.unwrap_or_else(|reason| panic!("{form}: {reason}"))
}

/// Sends the echo requests of a form, a forged and a doubled one among them, and judges the answers.
fn exchange(form: &Form, wire: &mut Wire) {
    let mut our = Our::new(form);
    let echoes = our.echoes();
    let mut seal = |echo: &Echo| unrefused(form, our.seal(&form.request(*echo)));
    let mut sealed: Vec<Vec<u8>> = echoes.iter().map(&mut seal).collect();
    assert!(sealed.iter().all(|packet| packet.len() <= MTU_OCTETS));
    // The last one comes behind them: were they answered, then before it.
    let last = sealed.pop().unwrap();
    let forged = forged(form, &seal(&echoes[echoes.len() / 2]));
    sealed.extend([forged, sealed[1].clone(), last]);
    for packet in &sealed {
        wire.send(packet);
    }
    for (echo, number) in echoes.into_iter().zip(form.last_sequence() + 1..) {
        let (sequence, packet) = unrefused(form, our.open(&wire.answer(form)));
        assert_eq!(sequence, number, "{form}");
        let meta = ip::parse(&packet).unwrap();
        let ends = (meta.source, meta.destination);
        assert_eq!(ends, (form.inner.theirs, form.inner.ours), "{form}");
        assert_eq!(usize::from(meta.total_octets), packet.len(), "{form}");
        if echo.has_options && form.inner.ours.is_ipv4() {
            assert_eq!(packet[20], TIMESTAMP, "{form}");
        }
        let wanted = form.icmp(echo, true);
        assert!(meta.payload(&packet) == wanted, "{form}: {}", wanted.len());
    }
}

/// What the guest's kernel has counted: of each SA all that was good, and the two packets that were not.
fn kernel_agrees(guest: &mut Peer, forms: &[Form], answers: usize) {
    let list = kernel_sas(&guest.run("ip -s xfrm state").unwrap());
    assert_eq!(list.len(), 2 * forms.len());
    let by_spi: BTreeMap<u32, _> = list.iter().map(|sa| (sa.spi, sa)).collect();
    let refused = Refused {
        late: 0,
        replayed: 1,
        forged: 1,
    };
    for form in forms {
        let [inn, out] = [THEIR_SPI, OUR_SPI].map(|spi| by_spi[&(spi + form.number)]);
        let each = (answers / forms.len()) as u64;
        assert_eq!((inn.packets, out.packets), (each, each), "{form}");
        let both = (inn.refused, out.refused);
        assert_eq!(both, (refused, Refused::default()), "{form}");
    }
    let text = guest.run("cat /proc/net/xfrm_stat").unwrap();
    let one_each = forms.len() as u64;
    let wanted = [
        ("XfrmInStateProtoError", one_each),
        ("XfrmInStateSeqError", one_each),
    ];
    assert_eq!(statistics(&text), BTreeMap::from(wanted));
}

/// The guest's addresses, the way to ours, and its SAs in a file.
fn script(forms: &[Form]) -> String {
    let eth0 = [(V4.enb_outer, 24), (V6.enb_outer, 64)];
    let lo = [(V4.enb_inner, 32), (V6.enb_inner, 128)];
    let [eth0, lo] = [eth0, lo].map(|list| list.map(|(address, bits)| format!("{address}/{bits}")));
    let mut script = host_script(&eth0, &lo, &[]);
    let mac = OUR_MAC.map(|octet| format!("{octet:02x}")).join(":");
    for (all, router) in [("0.0.0.0/0", V4.gateway_outer), ("::/0", V6.gateway_outer)] {
        script += &format!("ip neigh add {router} lladdr {mac} nud permanent dev eth0\n");
        script += &format!("ip route add {all} via {router}\n");
    }
    let lines: String = forms.iter().map(Form::xfrm).collect();
    script + &format!("cat >/run/sas <<'SAS'\n{lines}SAS\n")
}

#[test]
fn kernel_and_gateway_open_what_the_other_seals() {
    let lab = Lab::new("vm_kernel_esp").unwrap();
    let link = Link::new(&lab, "access").unwrap();
    let forms = form::all();
    let mut guest = Peer::start(&lab, "peer", &link, &script(&forms)).unwrap();
    guest.ready().unwrap();
    if let Err(error) = guest.run("ip -batch /run/sas") {
        // It does not say at which line: behind as many as were taken.
        let taken = guest.run("ip xfrm state count").unwrap();
        panic!("{error}: {taken}");
    }

    let mut wire = Wire {
        end: link.end().unwrap(),
        guest: guest.guest().mac(0).unwrap(),
        sent: 0,
        answers: 0,
    };
    for form in &forms {
        exchange(form, &mut wire);
    }
    kernel_agrees(&mut guest, &forms, wire.answers);

    // Nothing else has crossed, in clear least of all.
    let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
    for captured in link.captured().unwrap() {
        *kinds.entry(Frame::parse(&captured.frame).kind).or_default() += 1;
    }
    let count = |kind| kinds.get(&kind).copied().unwrap_or(0);
    assert_eq!(
        count(Kind::Esp) + count(Kind::Ah),
        wire.sent + wire.answers,
        "{kinds:?}"
    );
    assert_eq!(count(Kind::Cleartext), 0, "{kinds:?}");
    println!(
        "{} forms, {} packets to the kernel and {} back: {kinds:?}",
        forms.len(),
        wire.sent,
        wire.answers
    );
}
