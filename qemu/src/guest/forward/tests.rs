use super::*;

const PRINTED: &str = "Hub -1 (net0):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[ESTABLISHED]   12       127.0.0.1 40000       10.0.2.15    22     0     0
  TCP[HOST_FORWARD]  11       127.0.0.1 36043       10.0.2.15    22     0     0
Hub -1 (net2):
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
  TCP[HOST_FORWARD]  14       127.0.0.1 36044       10.0.2.15    22     0     0
  TCP[HOST_FORWARD]  15       127.0.0.1 36045       10.0.2.15   830     0     0
";

#[test]
fn the_forward_of_the_nic_and_the_port_is_found() {
    assert_eq!(host_port(PRINTED, 0, 22), Some(36043));
    assert_eq!(host_port(PRINTED, 2, 22), Some(36044));
    assert_eq!(host_port(PRINTED, 2, 830), Some(36045));
}

#[test]
fn what_is_not_forwarded_is_not_found() {
    assert_eq!(host_port(PRINTED, 0, 830), None);
    assert_eq!(host_port(PRINTED, 1, 22), None);
    assert_eq!(host_port("", 0, 22), None);
}
