//! The other end of the traffic, in the core network: answers STAMP test packets (RFC 8762 section 4.3) and counts them for each flow, so
//! that the eNodeBs see which way what was lost.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ravelin_platform::clock;
use ravelin_types::Time;

use crate::network::bind;
use crate::run::{RunError, signals};
use crate::stamp;

/// Flows that are counted. The answers of others repeat the number of what they answer, as those of a reflector without a count do
/// (RFC 8762 section 4.3.1).
const MAX_COUNTED: usize = 1 << 20;
/// Packets taken from a socket before the others have their turn.
const MAX_TAKEN: usize = 256;
const MAX_PACKET_OCTETS: usize = 65_535;

/// Reflects on these addresses until it is interrupted, and says what it has done.
///
/// # Errors
/// What cannot be done at all.
pub fn run(addresses: &[IpAddr]) -> Result<(), RunError> {
    let signals = signals()?;
    let open = |address: &IpAddr| {
        let local = SocketAddr::new(*address, stamp::PORT);
        bind(local).map_err(|source| RunError::Reflector { local, source })
    };
    let sockets: Vec<_> = addresses.iter().map(open).collect::<Result<_, _>>()?;
    let mut counts = Counts::default();
    let mut buffer = vec![0; MAX_PACKET_OCTETS];
    while signals.read_signal().map_err(io::Error::from)?.is_none() {
        let all = sockets.iter().map(AsFd::as_fd).chain([signals.as_fd()]);
        let mut polled: Vec<_> = all.map(|s| PollFd::new(s, PollFlags::POLLIN)).collect();
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
        for (place, socket) in sockets.iter().enumerate() {
            answer(place, socket, &mut counts, &mut buffer)?;
        }
    }
    let Counts {
        flows,
        answered,
        refused,
    } = counts;
    println!(
        "{answered} packets of {} flows answered, {refused} not",
        flows.len()
    );
    Ok(())
}

/// What has come.
#[derive(Default)]
struct Counts {
    /// By socket and sender.
    flows: HashMap<(usize, SocketAddr), u32>,
    answered: u64,
    refused: u64,
}

impl Counts {
    /// Turns a packet into its answer; false when there is none.
    fn reflect(&mut self, flow: (usize, SocketAddr), packet: &mut [u8], now: Time) -> bool {
        let is_full = self.flows.len() >= MAX_COUNTED;
        let flows = &mut self.flows;
        stamp::reflect(packet, now, |number| {
            if is_full && !flows.contains_key(&flow) {
                return number;
            }
            let count = flows.entry(flow).or_default();
            // A flow begins anew with number 0.
            if number == 0 {
                *count = 0;
            }
            let reflected = *count;
            *count = count.wrapping_add(1);
            reflected
        })
    }
}

fn answer(
    place: usize,
    socket: &UdpSocket,
    counts: &mut Counts,
    buffer: &mut [u8],
) -> io::Result<()> {
    for _ in 0..MAX_TAKEN {
        let (octets, from) = match socket.recv_from(buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            // ICMP errors of earlier answers.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
            Err(error) => return Err(error),
        };
        let packet = buffer.get_mut(..octets).unwrap_or_default();
        let answers = counts.reflect((place, from), packet, clock::now())
            && socket.send_to(packet, from).is_ok();
        if answers {
            counts.answered += 1;
        } else {
            counts.refused += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(counts: &mut Counts, port: u16, number: u32) -> u32 {
        let mut packet = [0; stamp::OCTETS];
        stamp::write(&mut packet, number, Time(1));
        let from = SocketAddr::from(([10, 0, 0, 1], port));
        assert!(counts.reflect((0, from), &mut packet, Time(2)));
        stamp::read(&packet, Time(3)).unwrap().reflected
    }

    #[test]
    fn each_flow_has_its_count_which_begins_with_number_0() {
        let mut counts = Counts::default();
        let answers = [0, 1, 3, 4].map(|number| asked(&mut counts, 1, number));
        assert_eq!(answers, [0, 1, 2, 3]);
        assert_eq!(asked(&mut counts, 2, 0), 0);
        assert_eq!(asked(&mut counts, 1, 5), 4);
        assert_eq!(asked(&mut counts, 1, 0), 0);
        assert_eq!(asked(&mut counts, 1, 1), 1);
    }
}
