use super::*;

#[test]
fn only_the_next_request_is_new_and_the_last_response_is_repeated() {
    let mut w = Window::default();
    assert_eq!(w.judge(0), Verdict::New);
    assert_eq!(w.judge(1), Verdict::Outside);
    w.answering = true;
    assert_eq!(w.judge(0), Verdict::BeingAnswered);
    w.answer(0, vec![vec![1, 2]], None);
    assert_eq!(w.judge(0), Verdict::Repeat(vec![vec![1, 2]], None));
    assert_eq!(w.judge(1), Verdict::New);
    w.answer(1, vec![vec![3]], None);
    assert_eq!(w.judge(0), Verdict::Outside);
    assert_eq!(w.judge(2), Verdict::New);
}

#[test]
fn a_wide_window_keeps_as_many_responses_and_lets_as_many_requests_wait() {
    let mut w = Window::default();
    let answer = |w: &mut Window, id: u32| w.answer(id, vec![vec![id as u8]], None);
    answer(&mut w, 0);
    w.widen(3);
    assert_eq!(w.judge(1), Verdict::New);
    assert_eq!(
        [2, 3].map(|id| w.judge(id)),
        [Verdict::Early, Verdict::Early]
    );
    assert_eq!(w.judge(4), Verdict::Outside);
    (1..4).for_each(|id| answer(&mut w, id));
    for id in 1..4 {
        assert_eq!(w.judge(id), Verdict::Repeat(vec![vec![id as u8]], None));
    }
    assert_eq!(w.judge(0), Verdict::Outside);
    // Written down one by one, and taken up.
    let mut again = Window::default();
    again.widen(3);
    for id in 0..2 {
        let mut one = Window::default();
        answer(&mut one, id);
        let octets = postcard::to_allocvec(&one.half(Side::Peers)).unwrap();
        again.set_half(postcard::from_bytes(&octets).unwrap());
    }
    assert!(again.has_answered(0) && again.has_answered(1));
    assert_eq!(again.expected(), 2);
    // The IDs do not come back.
    w.test_skip(u32::MAX - 1);
    assert_eq!(w.judge(u32::MAX - 1), Verdict::New);
    assert_eq!(w.judge(u32::MAX), Verdict::Outside);
}

#[test]
fn requests_back_off_and_give_up() {
    let mut w = Window::default();
    let mut now = Time(0);
    w.send(vec![vec![9]], Exchange::Dpd, None, now, GIVE_UP);
    let mut gaps = Vec::new();
    while let Some(o) = w.outstanding_mut() {
        let next = o.next_at.min(o.give_up_at);
        gaps.push(next.since(now).as_secs());
        now = next;
        if now >= o.give_up_at {
            break;
        }
        o.sent_again(now);
    }
    assert_eq!(gaps[..5], [1, 2, 4, 5, 5]);
    assert_eq!(gaps.iter().sum::<u64>(), GIVE_UP.as_secs());
}

#[test]
fn a_response_is_accepted_once() {
    let mut w = Window::default();
    w.send(vec![vec![9]], Exchange::Dpd, None, Time(0), GIVE_UP);
    assert!(w.awaits(0) && !w.awaits(1) && !w.is_idle());
    w.close();
    assert!(!w.awaits(0) && w.is_idle());
    assert_eq!(w.next_request(), 1);
}

#[test]
fn the_last_message_id_is_not_taken() {
    let mut w = Window::default();
    assert!(!w.is_worn() && !w.is_spent());
    w.test_skip(WORN_AT);
    assert!(w.is_worn() && !w.is_spent());
    w.test_skip(u32::MAX - 1);
    assert!(w.is_spent());
    assert_eq!(w.judge(u32::MAX - 1), Verdict::New);
    w.answer(u32::MAX - 1, vec![vec![1]], None);
    assert_eq!(w.judge(u32::MAX), Verdict::Outside);
    assert_eq!(w.judge(0), Verdict::Outside);
}
