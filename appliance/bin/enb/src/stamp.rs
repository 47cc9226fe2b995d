//! The test packets of the Simple Two-way Active Measurement Protocol, STAMP (RFC 8762 sections 4.2 and 4.3, unauthenticated), padded by
//! RFC 8972 section 4.1: what the flows in the tunnels carry, and any reflector in the core network answers.
//!
//! ```text
//!  octet 0         4           12    14    16           24        28          36    38    40
//!  sender   number  time sent   error zeros ...
//!  back     number  time sent   error zeros time received  number  time sent   error zeros TTL zeros
//!           of the reflector                               |------- as the sender had them -------|
//! ```

use ravelin_types::Time;

/// UDP port of reflectors (RFC 8762 section 4.1).
pub const PORT: u16 = 862;
/// Octets of a test packet without padding.
pub const OCTETS: usize = 44;
/// Octets of the header of a TLV (RFC 8972 section 4).
pub const TLV_OCTETS: usize = 4;

/// Our clocks are not synchronised (S = 0), their format is NTP's (Z = 0), their error is 2^13 / 2^32 seconds, 2 microseconds.
const ERROR_ESTIMATE: [u8; 2] = [13, 1];
/// The TLV "Extra Padding", and the flag U, which a reflector clears that knows the TLV.
const EXTRA_PADDING: u8 = 1;
const UNRECOGNISED: u8 = 0x80;
/// A reflector that cannot read the TTL of what it answers says this (RFC 5357 section 4.2.1).
const UNKNOWN_TTL: u8 = 255;

/// What an answer tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Number of the packet that is answered.
    pub number: u32,
    /// Number of the answer: how many the reflector has answered before, unless it keeps no count and repeats `number`.
    pub reflected: u32,
    /// Microseconds from sending to now, without those in the reflector.
    pub round_trip_us: u32,
}

/// Writes a test packet over all of `out`, which is as long as it is to be.
pub fn write(out: &mut [u8], number: u32, now: Time) {
    put(out, 0, &number.to_be_bytes());
    put(out, 4, &stamp(now).to_be_bytes());
    put(out, 12, &ERROR_ESTIMATE);
    put(out, 14, &[0; OCTETS - 14]);
    if let Some(padding) = out.len().checked_sub(OCTETS + TLV_OCTETS) {
        let [high, low] = u16::try_from(padding).unwrap_or(u16::MAX).to_be_bytes();
        put(out, OCTETS, &[UNRECOGNISED, EXTRA_PADDING, high, low]);
    }
}

/// Turns a test packet into its answer; false when it is too short to be one. `reflected` makes the number of the answer from that of
/// the packet.
pub fn reflect(packet: &mut [u8], now: Time, reflected: impl FnOnce(u32) -> u32) -> bool {
    let Some(sent) = packet.first_chunk::<14>().copied() else {
        return false;
    };
    if packet.len() < OCTETS {
        return false;
    }
    let number = u32::from_be_bytes([sent[0], sent[1], sent[2], sent[3]]);
    let time = stamp(now).to_be_bytes();
    put(packet, 0, &reflected(number).to_be_bytes());
    put(packet, 4, &time);
    put(packet, 12, &ERROR_ESTIMATE);
    put(packet, 14, &[0; 2]);
    put(packet, 16, &time);
    put(packet, 24, &sent);
    put(packet, 38, &[0, 0, UNKNOWN_TTL, 0, 0, 0]);
    if let Some([flags, EXTRA_PADDING]) = packet.get_mut(OCTETS..OCTETS + 2) {
        *flags &= !UNRECOGNISED;
    }
    true
}

/// Reads an answer; `None` when it is too short to be one.
pub fn read(packet: &[u8], now: Time) -> Option<Answer> {
    let packet: &[u8; OCTETS] = packet.first_chunk()?;
    let time = |at: usize| {
        let octets = packet.get(at..)?.first_chunk()?;
        Some(u64::from_be_bytes(*octets))
    };
    let number = |at: usize| {
        let octets = packet.get(at..)?.first_chunk()?;
        Some(u32::from_be_bytes(*octets))
    };
    let away = stamp(now).wrapping_sub(time(28)?);
    let there = time(4)?.wrapping_sub(time(16)?);
    let seconds = away.saturating_sub(there) as f64 / (1u64 << 32) as f64;
    Some(Answer {
        number: number(24)?,
        reflected: number(0)?,
        round_trip_us: (seconds * 1e6) as u32,
    })
}

/// Seconds and 2^-32 of them, as NTP has them (RFC 5905 section 6), of a clock with an epoch of its own.
fn stamp(now: Time) -> u64 {
    let (seconds, micros) = (now.0 / 1_000_000, now.0 % 1_000_000);
    (seconds << 32) + (micros << 32) / 1_000_000
}

fn put(packet: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(place) = packet.get_mut(at..at + octets.len()) {
        place.copy_from_slice(octets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_number_count_and_time_on_the_way() {
        for octets in [OCTETS, OCTETS + TLV_OCTETS, 1000] {
            let mut packet = vec![0; octets];
            let sent = Time(7_900_000);
            write(&mut packet, 41, sent);
            assert_eq!(packet[..4], [0, 0, 0, 41]);
            // 7.9 seconds of a clock whose microseconds do not divide 2^32.
            assert_eq!(packet[4..8], [0, 0, 0, 7]);
            // The reflector's clock has another epoch.
            assert!(reflect(&mut packet, Time(123_456), |number| {
                assert_eq!(number, 41);
                40
            }));
            let answer = read(&packet, Time(8_100_000)).unwrap();
            assert_eq!((answer.number, answer.reflected), (41, 40));
            assert!(
                answer.round_trip_us.abs_diff(200_000) < 2,
                "{} us",
                answer.round_trip_us
            );
        }
    }

    #[test]
    fn padding_is_a_tlv_that_the_reflector_recognises() {
        let mut packet = vec![0; 60];
        write(&mut packet, 1, Time(1));
        assert_eq!(packet[OCTETS..OCTETS + 4], [0x80, 1, 0, 12]);
        assert!(reflect(&mut packet, Time(2), |number| number));
        assert_eq!(packet[OCTETS..OCTETS + 4], [0, 1, 0, 12]);
        // One of another type stays unrecognised.
        packet[OCTETS..OCTETS + 2].copy_from_slice(&[0x80, 3]);
        assert!(reflect(&mut packet, Time(3), |number| number));
        assert_eq!(packet[OCTETS], 0x80);
    }

    #[test]
    fn what_is_too_short_is_none() {
        for octets in 0..OCTETS {
            let mut packet = vec![7; octets];
            assert!(!reflect(&mut packet, Time(1), |number| number));
            assert_eq!(packet, vec![7; octets]);
            assert_eq!(read(&packet, Time(1)), None);
        }
    }
}
