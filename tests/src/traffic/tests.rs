//! Parsing of iperf3's report.

use super::*;

#[test]
fn sum_received() {
    let report =
        r#"{"end":{"sum_sent":{"bytes":	9},"sum_received":{"start":0,"bytes":	1048576,"x":1}}}"#;
    assert_eq!(received_octets(report), Some(1_048_576));
    assert_eq!(received_octets("{}"), None);
}
