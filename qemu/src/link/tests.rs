use super::{End, Link, MAX_FRAME_OCTETS, framed, unframe};
use crate::wait::wait_until;
use crate::{Lab, VmError, seconds};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

const SOON: Duration = seconds(20);

fn plugged(link: &Link, count: usize) {
    wait_until("plugs", SOON, || {
        Ok::<_, VmError>((link.plugs() == count).then_some(()))
    })
    .unwrap();
}

fn frame(octet: u8, length: usize) -> Vec<u8> {
    vec![octet; length]
}

#[test]
fn all_others_get_a_frame_and_the_capture_too() {
    let lab = Lab::new("link_forwards").unwrap();
    let link = Link::new(&lab, "wire").unwrap();
    let mut ends: Vec<End> = (0..3).map(|_| link.end().unwrap()).collect();
    plugged(&link, 3);
    let sent = [frame(1, 60), frame(2, 9000), frame(3, 60)];
    for frame in &sent {
        ends[0].send(frame).unwrap();
    }
    for end in &mut ends[1..] {
        for frame in &sent {
            assert_eq!(end.receive(SOON).unwrap().as_ref(), Some(frame));
        }
    }
    assert_eq!(ends[0].receive(Duration::from_millis(50)).unwrap(), None);
    let captured: Vec<Vec<u8>> = link
        .captured()
        .unwrap()
        .into_iter()
        .map(|c| c.frame)
        .collect();
    assert_eq!(captured, sent);
}

#[test]
fn what_does_not_match_is_passed_over() {
    let lab = Lab::new("link_expect").unwrap();
    let link = Link::new(&lab, "wire").unwrap();
    let (mut one, mut two) = (link.end().unwrap(), link.end().unwrap());
    plugged(&link, 2);
    one.send(&frame(1, 60)).unwrap();
    one.send(&frame(2, 61)).unwrap();
    let found = two.expect("a frame of 61", SOON, |f| (f.len() == 61).then_some(f[0]));
    assert_eq!(found.unwrap(), 2);
    let none = two.expect("another", Duration::from_millis(50), |_| Some(()));
    assert!(none.unwrap_err().to_string().contains("another"));
}

#[test]
fn a_cut_cable_carries_and_records_nothing() {
    let lab = Lab::new("link_cut").unwrap();
    let link = Link::new(&lab, "wire").unwrap();
    let (mut one, mut two) = (link.end().unwrap(), link.end().unwrap());
    plugged(&link, 2);
    link.cut(true);
    one.send(&frame(1, 60)).unwrap();
    assert_eq!(two.receive(Duration::from_millis(200)).unwrap(), None);
    link.cut(false);
    one.send(&frame(2, 60)).unwrap();
    assert_eq!(two.receive(SOON).unwrap(), Some(frame(2, 60)));
    assert_eq!(link.captured().unwrap().len(), 1);
}

#[test]
fn who_does_not_read_delays_nobody() {
    let lab = Lab::new("link_backlog").unwrap();
    let link = Link::new(&lab, "wire").unwrap();
    let (mut one, mut two) = (link.end().unwrap(), link.end().unwrap());
    let mute = link.end().unwrap();
    plugged(&link, 3);
    for number in 0..8000u32 {
        let mut sent = frame(0, 1000);
        sent[..4].copy_from_slice(&number.to_be_bytes());
        one.send(&sent).unwrap();
        assert_eq!(two.receive(SOON).unwrap(), Some(sent));
    }
    assert!(link.lost() > 0);
    drop(mute);
    plugged(&link, 2);
}

#[test]
fn who_breaks_the_form_is_unplugged() {
    let lab = Lab::new("link_broken").unwrap();
    let link = Link::new(&lab, "wire").unwrap();
    let mut stranger = UnixStream::connect(link.socket()).unwrap();
    plugged(&link, 1);
    stranger.write_all(&[0xff; 8]).unwrap();
    plugged(&link, 0);
}

#[test]
fn the_link_ends_with_its_owner() {
    let lab = Lab::new("link_ends").unwrap();
    let link = Link::new(&lab, "wire").unwrap();
    let mut end = link.end().unwrap();
    let socket = link.socket().to_owned();
    drop(link);
    assert!(end.receive(SOON).is_err() && !socket.exists());
    assert!(End::plug(&socket).is_err());
}

#[test]
fn frames_are_taken_apart_at_any_cut() {
    let mut stream = framed(b"abc");
    stream.extend(framed(b""));
    stream.extend(framed(b"defg"));
    let mut received = vec![];
    let mut found = vec![];
    for octet in stream {
        received.push(octet);
        while let Some(frame) = unframe(&mut received).unwrap() {
            found.push(frame);
        }
    }
    assert_eq!(found, [b"abc".to_vec(), vec![], b"defg".to_vec()]);
    let mut long = (MAX_FRAME_OCTETS as u32 + 1).to_be_bytes().to_vec();
    assert_eq!(unframe(&mut long), Err(()));
}
