//! Notices ICMP messages that say an ESP packet of ours was too big for its path. The control thread judges them; the message goes
//! on to the host all the same, whose IKE packets take the same path.

use ravelin_ctl::sa::Outer;
use ravelin_esp::PacketBuf;
use ravelin_types::Spi;
use ravelin_wire::icmp::too_big;

use crate::control::PathReport;
use crate::link::Event;
use crate::packet::Packet;
use crate::platform::Platform;
use crate::worker::Worker;

/// Looks at an ICMP packet addressed to us that came in by a port.
pub(crate) fn notice<P: Platform>(worker: &mut Worker<P>, packet: &Packet<P::Buf>) {
    let Ok(header) = packet.header() else {
        return;
    };
    let Some(report) = too_big::parse(&header, packet.data()) else {
        return;
    };
    // What was refused by rate or ring is said again about the next packet.
    if report.source == header.destination && worker.path_reports.allow(worker.now) {
        worker.tell(Event::PathTooSmall(PathReport {
            outer: Outer {
                vrf: packet.vrf,
                local: report.source,
                remote: report.destination,
                udp: report.udp,
            },
            spi: Spi(report.spi),
            mtu_octets: report.mtu_octets,
            packet_octets: report.packet_octets,
        }));
    }
}
