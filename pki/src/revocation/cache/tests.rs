use super::*;
use crate::testca::{Fault, Hierarchy, Issued, KeyKind};

const NOW: WallTime = WallTime(1_800_000_000);
const DAY_S: i64 = 86_400;

fn after(seconds: i64) -> WallTime {
    WallTime(NOW.0 + seconds)
}

struct Bench {
    ca: Hierarchy,
    access: Certificate,
    id: AuthorityId,
    cache: CrlCache,
}

fn bench(urls: &[&str]) -> Bench {
    let ca = Hierarchy::new(KeyKind::P256, NOW, "example.net").unwrap();
    let access = Certificate::from_der(ca.access()).unwrap();
    let mut cache = CrlCache::default();
    let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
    assert!(cache.watch(&access, &urls));
    Bench {
        id: AuthorityId::of(&access),
        ca,
        access,
        cache,
    }
}

impl Bench {
    fn take(&mut self, revoked: &[&Issued], made: WallTime, now: WallTime) -> Result<(), CrlError> {
        let list = self.ca.revocation_list(revoked, made).unwrap();
        self.cache.take(&self.id, &list, now)
    }

    fn due(&mut self, now: WallTime) -> Vec<String> {
        let due = self.cache.due(now);
        assert!(due.iter().all(|fetch| fetch.authority == self.id));
        due.into_iter().map(|fetch| fetch.url).collect()
    }

    fn status(&self, issued: &Issued, now: WallTime) -> Status {
        let certificate = Certificate::from_der(&issued.certificate).unwrap();
        self.cache.status(&certificate, &self.access, now, false)
    }
}

#[test]
fn a_list_is_fetched_at_once_and_anew_before_it_ends() {
    let mut b = bench(&["http://a/ca.crl"]);
    let (good, bad) = (
        b.ca.issue("enb1", &[]).unwrap(),
        b.ca.faulty("enb2", Fault::Revoked).unwrap(),
    );
    assert_eq!(b.status(&good, NOW), Status::Unknown(Unknown::Nothing));
    assert_eq!(b.due(NOW), ["http://a/ca.crl"]);
    // Under way.
    assert!(b.due(after(10)).is_empty());
    b.take(&[&bad], NOW, after(10)).unwrap();
    assert_eq!(b.status(&good, after(10)), Status::Good);
    assert_eq!(b.status(&bad, after(10)), Status::Revoked);
    // It is good for a week; a tenth of that is left.
    let again = after(7 * DAY_S - 7 * DAY_S / 10);
    assert_eq!(b.cache.next(), Some(again));
    assert!(b.due(WallTime(again.0 - 1)).is_empty());
    assert_eq!(b.due(again).len(), 1);
    let end = after(7 * DAY_S);
    assert_eq!(
        b.status(&good, WallTime(end.0 + 1)),
        Status::Unknown(Unknown::Stale(end))
    );
}

#[test]
fn a_ca_that_does_not_answer_is_asked_ever_more_rarely_and_elsewhere() {
    let mut b = bench(&["http://a/", "http://b/"]);
    let mut now = NOW;
    let mut asked = vec![];
    for _ in 0..9 {
        asked.extend(b.due(now));
        b.cache.failed(&b.id, now);
        let next = b.cache.next().unwrap();
        asked.push((next.0 - now.0).to_string());
        now = next;
    }
    assert_eq!(
        asked,
        [
            "http://a/",
            "60",
            "http://b/",
            "120",
            "http://a/",
            "240",
            "http://b/",
            "480",
            "http://a/",
            "960",
            "http://b/",
            "1920",
            "http://a/",
            "3600",
            "http://b/",
            "3600",
            "http://a/",
            "3600"
        ]
    );
    // A success forgets the failures.
    b.take(&[], NOW, now).unwrap();
    assert_eq!(b.due(after(7 * DAY_S)), ["http://a/"]);
}

#[test]
fn who_is_asked_and_never_answers_is_asked_again() {
    let mut b = bench(&["http://a/"]);
    assert_eq!(b.due(NOW).len(), 1);
    assert!(b.due(after(3599)).is_empty());
    assert_eq!(b.due(after(3600)).len(), 1);
}

#[test]
fn an_older_list_does_not_come_back() {
    let mut b = bench(&[]);
    let bad = b.ca.faulty("enb2", Fault::Revoked).unwrap();
    b.take(&[&bad], NOW, NOW).unwrap();
    let held = NOW;
    let got = after(-60);
    assert_eq!(
        b.take(&[], got, NOW).unwrap_err(),
        CrlError::Older { got, held }
    );
    assert_eq!(b.status(&bad, NOW), Status::Revoked);
    // The same one again, as after a restart.
    b.take(&[&bad], NOW, NOW).unwrap();
    // One from the future neither; clocks may differ a little.
    assert_eq!(
        b.take(&[], after(301), NOW).unwrap_err(),
        CrlError::NotYet(after(301))
    );
    b.take(&[], after(300), NOW).unwrap();
    // There is nothing to fetch.
    assert_eq!(b.cache.next(), None);
    assert!(b.due(after(30 * DAY_S)).is_empty());
}

#[test]
fn a_wrong_list_counts_as_a_failure() {
    let mut b = bench(&["http://a/"]);
    b.due(NOW);
    assert!(b.cache.take(&b.id.clone(), b"<html>", NOW).is_err());
    assert_eq!(b.cache.next(), Some(after(60)));
    let stranger = AuthorityId::of(&Certificate::from_der(b.ca.root()).unwrap());
    let list = b.ca.revocation_list(&[], NOW).unwrap();
    let refused = b.cache.take(&stranger, &list, NOW).unwrap_err();
    assert!(matches!(refused, CrlError::Issuer { .. }));
}

#[test]
fn authorities_and_urls_are_bounded() {
    let mut b = bench(&["http://a/"]);
    let urls: Vec<String> = (0..20).map(|n| format!("http://{n}/")).collect();
    assert!(b.cache.watch(&b.access.clone(), &urls));
    let entry = b.cache.authorities.get(&b.id).unwrap();
    assert_eq!(
        (entry.urls.len(), entry.urls[0].as_str()),
        (MAX_URLS, "http://a/")
    );
    let template = entry.clone();
    for n in 1..MAX_AUTHORITIES {
        let mut id = b.id.clone();
        id.key[..8].copy_from_slice(&n.to_be_bytes());
        b.cache.authorities.insert(id, template.clone());
    }
    let root = Certificate::from_der(b.ca.root()).unwrap();
    assert!(!b.cache.watch(&root, &[]));
    assert!(b.cache.watch(&b.access.clone(), &[]));
    assert_eq!(b.cache.lists().count(), MAX_AUTHORITIES);
}

#[test]
fn the_configuration_says_where_and_how_often() {
    let mut b = bench(&["http://learnt/"]);
    let url = |text: &str| vec![text.to_owned()];
    let id = b.id.clone();
    b.cache
        .configure(&id, &url("http://configured/"), Some(3600));
    assert_eq!(b.due(NOW), ["http://configured/"]);
    b.cache.failed(&id, NOW);
    assert_eq!(b.due(after(60)), ["http://learnt/"]);
    b.take(&[], NOW, after(60)).unwrap();
    assert_eq!(b.cache.next(), Some(after(3660)));
    // What comes late from a place that has been withdrawn delays no other.
    b.cache.drop_list(&id);
    let late = b.cache.due(after(60)).remove(0);
    assert_eq!(late.url, "http://configured/");
    b.cache.configure(&id, &url("http://other/"), Some(3600));
    b.cache.missed(&late, after(60));
    assert_eq!(b.due(after(60)), ["http://other/"]);
    b.cache
        .configure(&id, &url("http://configured/"), Some(3600));
    b.take(&[], NOW, after(60)).unwrap();
    // The same once more changes nothing; without an interval the list says it.
    b.cache
        .configure(&id, &url("http://configured/"), Some(3600));
    assert_eq!(b.cache.next(), Some(after(3660)));
    b.cache.configure(&id, &[], None);
    b.take(&[], NOW, after(60)).unwrap();
    assert_eq!(b.cache.next(), Some(after(7 * DAY_S - 7 * DAY_S / 10)));
    assert_eq!(b.due(after(7 * DAY_S)), ["http://learnt/"]);
}

#[test]
fn a_ca_that_is_late_is_asked_ever_more_rarely() {
    let mut b = bench(&["http://a/"]);
    let bad = b.ca.faulty("enb2", Fault::Revoked).unwrap();
    let mut now = after(7 * DAY_S);
    for pause in [60, 120, 240] {
        // Still the old one; what it revokes counts.
        b.take(&[&bad], NOW, now).unwrap();
        assert_eq!(b.status(&bad, now), Status::Revoked);
        assert_eq!(b.cache.next(), Some(WallTime(now.0 + pause)));
        now = WallTime(now.0 + pause);
    }
    b.take(&[], now, now).unwrap();
    assert!(b.cache.next() > Some(WallTime(now.0 + 6 * DAY_S)));
}

#[test]
fn a_list_that_was_kept_is_no_reason_to_wait() {
    let mut b = bench(&["http://a/"]);
    let list = b.ca.revocation_list(&[], NOW).unwrap();
    let id = b.id.clone();
    b.cache.restore(&id, &list, after(10)).unwrap();
    assert!(b.due(after(10)).is_empty());
    b.cache.restore(&id, &list, after(8 * DAY_S)).unwrap();
    assert_eq!(b.due(after(8 * DAY_S)), ["http://a/"]);
    assert!(b.cache.drop_list(&id) && !b.cache.drop_list(&id));
    assert_eq!(b.due(after(8 * DAY_S)).len(), 1);
    b.cache.forget(&id);
    assert_eq!(b.cache.next(), None);
}
