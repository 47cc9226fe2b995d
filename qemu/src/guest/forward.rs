//! Which port of the host's loopback leads to which port of the guest, when QEMU chose it by itself.

/// The port of the host that leads to `port` of the guest over NIC `number`, from what QEMU's monitor prints for `info usernet`: a
/// line with the name of the network, and below it one line a connection.
pub(super) fn host_port(printed: &str, number: usize, port: u16) -> Option<u16> {
    let network = format!("(net{number})");
    let below = printed
        .lines()
        .skip_while(|line| !line.contains(&network))
        .skip(1)
        .take_while(|line| line.starts_with(' '));
    below
        .filter_map(forwarded)
        .find_map(|(host, guest)| (guest == port).then_some(host))
}

/// Both ports of a line such as `  TCP[HOST_FORWARD]  11  127.0.0.1 36043  10.0.2.15  22  0  0`.
fn forwarded(line: &str) -> Option<(u16, u16)> {
    let mut words = line.split_whitespace();
    let kind = words.next()?;
    let (_descriptor, _from, host) = (words.next()?, words.next()?, words.next()?);
    let (_to, guest) = (words.next()?, words.next()?);
    (kind == "TCP[HOST_FORWARD]").then_some((host.parse().ok()?, guest.parse().ok()?))
}

#[cfg(test)]
mod tests;
