use super::*;

#[test]
fn a_full_backlog_and_a_host_that_is_down_are_told_apart() {
    let down = ravelin_tuntap::Error::Io {
        name: "xe0.0".to_owned(),
        source: nix::errno::Errno::EIO.into(),
    };
    assert_eq!(refusal(Some(Ok(true))), None);
    assert_eq!(refusal(Some(Ok(false))), Some(DropReason::PuntRingFull));
    assert_eq!(refusal(Some(Err(down))), Some(DropReason::HostDown));
    assert_eq!(refusal(None), Some(DropReason::HostDown));
}
