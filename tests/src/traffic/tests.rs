//! Parsing of iperf3's report.

use super::*;

#[test]
fn rate_of_the_receiver() {
    let report = r#"{"end":{"sum_sent":{"bits_per_second":9},"sum_received":{"start":0,"bits_per_second":1048576.5}}}"#;
    assert_eq!(received_rate(report), Some(1_048_576));
    assert_eq!(received_rate("{}"), None);
    assert_eq!(received_rate("no report"), None);
}
