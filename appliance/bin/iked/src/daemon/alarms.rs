//! What operators should know of this daemon (`show system alarms`).

use ravelin_ctl::host::{Alarm, Severity};

use super::Daemon;
use crate::pki::{alarms, wall_clock};
use crate::routes::RouteKernel;
use crate::sockets::Transport;

impl<T: Transport, K: RouteKernel> Daemon<T, K> {
    /// What the configuration wants of the store of certificates and does not find, a vault that is full, certificates that end.
    pub(super) fn alarms(&self) -> Vec<Alarm> {
        let major = |subject: &str, text: &str| Alarm {
            severity: Severity::Major,
            subject: subject.to_owned(),
            text: text.to_owned(),
        };
        let mut all: Vec<Alarm> = self.told.iter().map(|fault| major("ike", fault)).collect();
        if self.journal.is_failing() {
            let why =
                "the vault takes no records, so no IKE message leaves: is its file system full?";
            all.push(major("ike", why));
        }
        all.extend(alarms::alarms(&self.desk.pki().contents(), wall_clock()));
        all
    }
}
