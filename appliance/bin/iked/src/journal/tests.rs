//! Nothing leaves before its record is durable and its pair is installed.

use ravelin_crypto::Zeroizing;
use ravelin_types::VrfId;

use super::*;

fn put(seq: u64, subject: u64, text: &str) -> Record {
    let op = RecordOp::Put(Zeroizing::new(text.as_bytes().to_vec()));
    Record {
        seq: JournalSeq(seq),
        subject,
        op,
    }
}

fn transmit(after: u64, child: Option<u64>, text: &str) -> Transmit {
    let address = "192.0.2.1:500".parse().unwrap();
    Transmit {
        after: JournalSeq(after),
        after_install: child.map(ravelin_types::PairId),
        vrf: VrfId::DEFAULT,
        local: address,
        remote: address,
        data: text.as_bytes().to_vec(),
    }
}

#[test]
fn records_come_back_after_a_restart_newest_per_subject() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault");
    let (mut journal, live) = Journal::open(&path).unwrap();
    assert!(live.is_empty());
    journal.push(put(1, 1, "a"));
    journal.push(put(2, 2, "b"));
    journal.push(put(3, 1, "c"));
    assert_eq!(journal.durable(), JournalSeq(0));
    journal.commit();
    assert_eq!(journal.durable(), JournalSeq(3));
    journal.push(Record {
        seq: JournalSeq(4),
        subject: 2,
        op: RecordOp::Remove,
    });
    journal.commit();
    drop(journal);
    let (_, live) = Journal::open(&path).unwrap();
    let live: Vec<(u64, &[u8])> = live.iter().map(|l| (l.subject, &l.payload[..])).collect();
    assert_eq!(live, [(1, &b"c"[..])]);
}

#[test]
fn what_is_appended_comes_back_behind_the_whole_record() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault");
    let (mut journal, _) = Journal::open(&path).unwrap();
    let append = |seq, subject, text: &str| Record {
        op: RecordOp::Append(Zeroizing::new(text.as_bytes().to_vec())),
        ..put(seq, subject, "")
    };
    journal.push(put(1, 1, "superseded"));
    journal.push(append(2, 1, "too"));
    journal.push(put(3, 1, "whole"));
    journal.push(append(4, 1, "first step"));
    journal.commit();
    journal.push(append(5, 1, "second step"));
    journal.commit();
    drop(journal);
    let (_, live) = Journal::open(&path).unwrap();
    let live: Vec<&[u8]> = live.iter().map(|l| &l.payload[..]).collect();
    assert_eq!(live, [&b"whole"[..], b"first step", b"second step"]);
}

#[test]
fn a_record_that_the_vault_refuses_holds_everything_back() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(&dir.path().join("vault")).unwrap();
    let long = "x".repeat(ravelin_vault::format::MAX_PAYLOAD_OCTETS + 1);
    journal.push(put(1, 1, &long));
    journal.commit();
    assert!(journal.is_failing());
    assert_eq!(journal.durable(), JournalSeq(0));
    journal.push(put(2, 1, "short again"));
    journal.commit();
    assert!(!journal.is_failing());
    assert_eq!(journal.durable(), JournalSeq(2));
}

#[test]
fn what_came_and_went_while_the_vault_refused_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(&dir.path().join("vault")).unwrap();
    let remove = |seq, subject| Record {
        seq: JournalSeq(seq),
        subject,
        op: RecordOp::Remove,
    };
    journal.push(put(1, 1, "stored"));
    journal.commit();
    let long = "x".repeat(ravelin_vault::format::MAX_PAYLOAD_OCTETS + 1);
    journal.push(put(2, 2, &long));
    journal.commit();
    assert!(journal.is_failing());
    journal.push(put(3, 3, "came"));
    journal.push(remove(4, 3));
    assert_eq!(journal.waiting.len(), 1);
    journal.push(remove(5, 2));
    journal.push(remove(6, 1));
    assert_eq!(
        journal.waiting.len(),
        1,
        "what is in the vault is removed there"
    );
    journal.commit();
    assert!(!journal.is_failing());
    assert_eq!((journal.durable(), journal.subjects()), (JournalSeq(6), 0));
    journal.push(put(7, 4, &long));
    journal.commit();
    journal.push(remove(8, 4));
    journal.commit();
    assert!(!journal.is_failing());
    assert_eq!(journal.durable(), JournalSeq(8));
}

#[test]
fn the_gate_waits_for_the_journal_and_for_the_pair() {
    let mut gate = Gate::default();
    let mut sent = Vec::new();
    gate.push(transmit(1, None, "one"));
    gate.push(transmit(2, Some(7), "two"));
    gate.push(transmit(2, Some(7), "two"));
    gate.push(transmit(2, Some(8), "three"));
    gate.push(transmit(3, None, "four"));
    gate.release(JournalSeq(0), |_| true, |t| sent.push(t.data));
    assert!(sent.is_empty());
    gate.release(JournalSeq(2), |child| child.0 == 8, |t| sent.push(t.data));
    assert_eq!(sent, [&b"one"[..], b"three"]);
    assert_eq!(gate.held(), 2);
    gate.release_installed(ravelin_types::PairId(7), |t| sent.push(t.data));
    gate.release(JournalSeq(3), |_| false, |t| sent.push(t.data));
    assert_eq!(sent[2..], [&b"two"[..], b"four"]);
    assert_eq!(gate.held(), 0);
}

#[test]
fn a_gate_that_holds_too_much_drops() {
    let mut gate = Gate::default();
    for _ in 0..MAX_HELD + 3 {
        gate.push(transmit(1, None, "x"));
    }
    assert_eq!((gate.held(), gate.dropped()), (MAX_HELD, 3));
}

#[test]
fn an_unreadable_vault_is_removed_and_a_record_can_be_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault");
    std::fs::write(&path, b"RAVELINV of another version, unknown here").unwrap();
    let (mut journal, live) = Journal::open(&path).unwrap();
    assert!(live.is_empty());
    journal.push(put(1, 1, "a"));
    journal.commit();
    assert_eq!(journal.subjects(), 1);
    journal.forget(1);
    assert_eq!(journal.subjects(), 0);
}
