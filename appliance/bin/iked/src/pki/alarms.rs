//! What an operator should know of certificates before peers are refused: those that end soon, and those that have ended.

use ravelin_ctl::host::{Alarm, Severity};
use ravelin_pki::{Certificate, Expiry, WallTime, expiring};

use super::Contents;

/// Days before its end at which a certificate is an alarm.
pub const WARN_DAYS: i64 = 30;
/// Alarms at most; who has more has many in one file, and sees them by `show security pki`.
const MAX_ALARMS: usize = 64;

/// The alarms of the store, those that end first in front.
pub fn alarms(contents: &Contents, now: WallTime) -> Vec<Alarm> {
    let locals = contents
        .locals
        .iter()
        .map(|(name, local)| (format!("certificate {name}"), &local.certificates));
    let profiles = contents
        .profiles
        .iter()
        .map(|(name, profile)| (format!("CA {name}"), &profile.anchors));
    let mut found: Vec<(String, Expiry)> = locals
        .chain(profiles)
        .flat_map(|(subject, certificates)| soon(&subject, certificates, now))
        .collect();
    found.sort_by_key(|(_, expiry)| expiry.at);
    let alarms = found.into_iter().take(MAX_ALARMS);
    alarms
        .map(|(subject, expiry)| alarm(subject, &expiry))
        .collect()
}

fn soon(subject: &str, certificates: &[Certificate], now: WallTime) -> Vec<(String, Expiry)> {
    let ends = expiring(certificates, now, WARN_DAYS);
    ends.into_iter()
        .map(|end| (subject.to_owned(), end))
        .collect()
}

fn alarm(subject: String, expiry: &Expiry) -> Alarm {
    let (certificate, at, days) = (&expiry.certificate, expiry.at, expiry.days_left);
    let (severity, text) = match days {
        ..0 => (
            Severity::Major,
            format!("`{certificate}` has ended on {at}: peers refuse it, or are refused"),
        ),
        0 => (
            Severity::Major,
            format!("`{certificate}` ends within a day, on {at}"),
        ),
        _ => (
            Severity::Minor,
            format!("`{certificate}` ends in {days} days, on {at}"),
        ),
    };
    Alarm {
        severity,
        subject,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NOW, hierarchy, local, open, profile, put};
    use super::*;

    const DAY_S: i64 = 86_400;

    #[test]
    fn certificates_are_alarms_from_a_month_before_their_end() {
        let (folder, ca) = (tempfile::tempdir().unwrap(), hierarchy());
        let pki = open(&folder);
        let gw1 = local(&ca.issue("gw1", &[]).unwrap());
        put(&pki, "gw1", Some(&gw1)).unwrap();
        pki.save_profile(profile("access", ca.access()), NOW)
            .unwrap();
        let end = gw1.certificates[0].not_after();
        let told = |days_before: i64| {
            let now = WallTime(end.0 - days_before * DAY_S);
            alarms(&pki.contents(), now)
        };
        assert_eq!(told(WARN_DAYS), []);
        let [alarm] = &told(WARN_DAYS - 1)[..] else {
            panic!("{:?}", told(WARN_DAYS - 1));
        };
        assert_eq!(
            (alarm.severity, alarm.subject.as_str()),
            (Severity::Minor, "certificate gw1")
        );
        assert!(alarm.text.contains("ends in 29 days, on"), "{}", alarm.text);
        assert_eq!(told(0)[0].severity, Severity::Major);
        let late = told(-2);
        assert!(late[0].text.contains("has ended on"), "{}", late[0].text);
        // Years later the CAs of its chain and of the profile have ended too.
        let all = told(-40 * 365);
        assert!(
            all.iter().any(|alarm| alarm.subject == "CA access"),
            "{all:?}"
        );
    }
}
