use super::*;
use ravelin_ctl::capture::{Step, Test};
use ravelin_esp::MemoryBuf;

fn frame(first: u8, octets: usize) -> MemoryBuf {
    let mut frame = vec![0; octets];
    frame[0] = first;
    MemoryBuf::new(&frame)
}

fn link() -> EspLink {
    super::link(PairId(4), 0x100, 1 << 32 | 9)
}

fn all(capture: &Capture) -> Vec<(u16, bool, u32, usize, Option<EspLink>)> {
    let mut seen = Vec::new();
    let more = capture.take(usize::MAX, |r| {
        seen.push((r.tap, r.outbound, r.octets, r.data.len(), r.esp));
    });
    assert!(!more);
    seen
}

#[test]
fn copies_are_cut_and_name_their_tap() {
    let taps = [Tap::Port(3, None), Tap::Tunnel(IfIndex(7))];
    let capture = Capture::new(&taps, Filter::default(), 100, 2);
    capture.frames(0, Time(1), 3, false, &[frame(1, 60), frame(2, 1500)]);
    capture.frames(0, Time(1), 4, false, &[frame(3, 60)]);
    capture.inner(1, Time(2), IfIndex(7), true, &[0x45; 200], link());
    capture.inner(1, Time(2), IfIndex(8), true, &[0x45; 200], link());
    let esp = EspLink {
        pair: Some(PairId(4)),
        spi: Spi(0x100),
        sequence: 9,
    };
    assert_eq!(
        all(&capture),
        [
            (0, false, 60, 60, None),
            (0, false, 1500, 100, None),
            (1, true, 200, 100, Some(esp)),
        ]
    );
    assert_eq!(capture.lost(), 0);
}

#[test]
fn a_unit_sees_its_tags_only() {
    let tags = Tags { outer: 5, inner: 0 };
    let taps = [
        Tap::Port(0, Some(Tags::default())),
        Tap::Port(0, Some(tags)),
    ];
    let capture = Capture::new(&taps, Filter::default(), 100, 1);
    let mut tagged = vec![0; 60];
    ravelin_wire::ethernet::emit(&mut tagged, [1; 6], [2; 6], tags, 0x0800).unwrap();
    let mut plain = vec![0; 60];
    ravelin_wire::ethernet::emit(&mut plain, [1; 6], [2; 6], Tags::default(), 0x0800).unwrap();
    let frames = [MemoryBuf::new(&tagged), MemoryBuf::new(&plain)];
    capture.frames(0, Time(1), 0, true, &frames);
    let taps: Vec<u16> = all(&capture).iter().map(|seen| seen.0).collect();
    assert_eq!(taps, [1, 0]);
}

#[test]
fn a_full_ring_loses_the_newest_counts_them_and_goes_on() {
    let capture = Capture::new(
        &[Tap::Port(0, None)],
        Filter::default(),
        MAX_CAPTURE_OCTETS,
        1,
    );
    let room = capture.rings[0].spare.len();
    assert!(room * MAX_CAPTURE_OCTETS as usize <= CAPTURE_RING_OCTETS);
    for number in 0..room + 5 {
        capture.frames(0, Time(1), 0, false, &[frame(number as u8, 60)]);
    }
    assert_eq!(capture.lost(), 5);
    let mut first = Vec::new();
    assert!(capture.take(2, |r| first.push(r.data[0])), "more is there");
    assert_eq!(first, [0, 1]);
    assert_eq!(all(&capture).len(), room - 2);
    capture.frames(0, Time(1), 0, false, &[frame(9, 60)]);
    assert_eq!(all(&capture).len(), 1);
    assert_eq!(capture.lost(), 5);
}

#[test]
fn memory_is_bounded_for_every_number_of_workers() {
    for workers in [1, 2, 32] {
        for size in [0, 96, 256, 1514, u32::MAX] {
            let capture = Capture::new(&[], Filter::default(), size, workers);
            let octets = capture.rings.len() * capture.rings[0].spare.len() * capture.size_octets;
            let floor = workers * MIN_RECORDS * capture.size_octets;
            assert!(octets <= CAPTURE_RING_OCTETS.max(floor), "{workers} {size}");
        }
    }
}

#[test]
fn what_the_filter_does_not_want_costs_no_record() {
    let filter = Filter(vec![Step::Test(Test::Arp)]);
    let capture = Capture::new(&[Tap::Port(0, None)], filter, 96, 1);
    capture.frames(0, Time(1), 0, false, &[frame(0, 60)]);
    capture.inner(0, Time(1), IfIndex(0), false, &[0x45; 20], link());
    assert!(all(&capture).is_empty());
}
