use super::*;
use ravelin_dataplane::engine::accelerator::Failure;

fn unit(number: u16, name: &str, serves: bool, failure: Option<Failure>) -> UnitStatus {
    UnitStatus {
        number,
        name: name.to_owned(),
        driver: "crypto_qat".to_owned(),
        serves,
        failure,
        queues: 1,
        keys: (2, 64),
        packets: 0,
        lost: 0,
        errors: 0,
    }
}

#[test]
fn sas_are_counted_by_engine_with_the_reason() {
    let units = [
        unit(1, "a", true, None),
        unit(2, "b", false, Some(Failure::Silent)),
        unit(3, "c", false, None),
    ];
    let (device, cpu) = (Service::Device, Service::Cpu);
    let services = [
        [device(1); 2],
        [device(1), cpu(WhyCpu::Sessions)],
        [device(2); 2],
        [device(3); 2],
        [cpu(WhyCpu::Algorithm); 2],
    ];
    let rows = served(services.into_iter(), &units);
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.device.as_deref(),
                row.why.as_deref(),
                row.inbound,
                row.outbound,
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            (Some("a"), None, 2, 1),
            (None, Some("no device has the algorithms"), 1, 1),
            (None, Some("devices hold all keys they can"), 0, 1),
            (None, Some("c is not configured any more"), 1, 1),
            (None, Some("b failed"), 1, 1),
        ]
    );
}
