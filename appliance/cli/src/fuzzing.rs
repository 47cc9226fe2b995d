//! The entry of the fuzz target: the line of a packet that a stranger has sent.

use ravelin_ctl::capture::{CaptureInterface, Captured};

/// What `monitor traffic` shows of it.
pub fn line(packet: &Captured, interface: &CaptureInterface) -> String {
    crate::monitor::line(packet, interface)
}
