//! What the gateway must not let through, tried: replayed ESP, packets outside an SA's selectors, packets for a tunnel that is gone.
//!
//! The probes are genuine. strongSwan's userspace ESP finds a policy by the packet and then an SA by the policy's reqid: two child
//! SAs of one reqid make an authenticated peer send the traffic of both through the newer one, outside its selectors, without any
//! forgery.

use super::checker::Round;
use super::steps::Recorder;
use crate::Result;
use crate::capture::Trace;
use crate::gateway::Gateway;
use crate::netns::run;
use crate::pcap;
use crate::site::{Site, V4, V6};
use crate::strongswan::{Child, StrongSwan};
use crate::traffic::{Stream, StreamSpec};
use crate::wait::wait_until;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// The eNodeB's inner address of the two children.
pub const ENB_PROBE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 45, 0, 2));
/// The core's address that the older child is for. When the newer one is up, packets for it are outside the selectors of their SA.
pub const CORE_OLDER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 11));
/// The core's address that the newer child is for.
pub const CORE_NEWER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 12));
const PROBE_PORT: u16 = 7100;
const REQID: &str = "reqid = 4500";
const GONE_PORT: u16 = 7102;
/// Packets within the selectors: no more than wait for an unresolved neighbour.
const INSIDE_PACKETS: u32 = 4;
const PROBES: u32 = 20;
const PROBES_PPS: u32 = 200;
/// Of the newest ESP: within the replay window, most of it.
const NEWEST: usize = 200;
/// Of the oldest: left of the window, if there was enough traffic.
const OLDEST: usize = 20;
/// What the gateway does with a probe it does at once; the rest is for a loaded machine.
const SETTLE: Duration = Duration::from_secs(10);
/// A route that is still there after so long stays.
const WITHDRAWAL: Duration = Duration::from_secs(8);
const GRACE: Duration = Duration::from_millis(300);
const SENDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/send_frames.py");

/// Addresses for the probes, beside those of the site.
pub fn prepare(site: &Site) -> Result<()> {
    site.enb.sh(&format!("ip addr add {ENB_PROBE}/32 dev lo"))?;
    for address in [CORE_OLDER, CORE_NEWER] {
        site.core
            .sh(&format!("ip addr add {address}/24 dev core0"))?;
    }
    Ok(())
}

/// The two children of connection `name` that share an SA at the peer, the older one first.
pub fn probe_children(name: &str) -> [Child; 2] {
    [("s2", CORE_OLDER), ("s3", CORE_NEWER)].map(|(child, core)| {
        let mut child = Child::new(
            &format!("{name}-{child}"),
            &ENB_PROBE.to_string(),
            &core.to_string(),
        );
        child.options.push(REQID.to_owned());
        child
    })
}

/// Waits until the gateway has counted `packets` more under `reasons` than `before`, or something came out of it: both links hold
/// what happened, this only says when.
fn settle(
    gateway: &Gateway,
    reasons: &[&str],
    until: u64,
    came_out: impl Fn() -> bool,
) -> Result<()> {
    let settled = wait_until("the gateway to refuse the probes", SETTLE, || {
        Ok((dropped(gateway, reasons)? >= until || came_out()).then_some(()))
    });
    // A gateway that does not count what it refuses is judged by the links.
    if let Err(error) = settled {
        println!("  {error}");
    }
    Ok(())
}

fn dropped(gateway: &Gateway, reasons: &[&str]) -> Result<u64> {
    reasons.iter().map(|reason| gateway.drops(reason)).sum()
}

/// Sends ESP of the traffic phase again.
pub fn replay(site: &Site, gateway: &Gateway, recorder: &Recorder, round: &Round) -> Result<()> {
    let reasons = ["replay-duplicate", "replay-old"];
    let (enb, to) = (round.outer.enb_outer, round.outer.gateway_outer);
    let genuine: Trace = recorder.outer_so_far()?;
    let mut frames = genuine.pick(|f| f.esp().is_some() && f.addresses == Some((enb, to)));
    // Of the newest SA only: an SA that is gone refuses for another reason.
    let spi = |c: &pcap::Captured| {
        crate::frame::Frame::parse(&c.frame)
            .esp()
            .map(|(spi, _)| spi)
    };
    let newest_spi = frames.last().and_then(spi);
    frames.retain(|c| spi(c) == newest_spi);
    let middle = OLDEST..frames.len().saturating_sub(NEWEST);
    if !middle.is_empty() {
        frames.drain(middle);
    }
    let file = site.folder().join("replay.pcap");
    pcap::write(&file, &frames)?;
    let before = dropped(gateway, &reasons)?;
    let mark = recorder.clear_mark();
    run(site
        .enb
        .command("python3")
        .args([SENDER, "enb0"])
        .arg(&file))?;
    settle(gateway, &reasons, before + frames.len() as u64, || {
        recorder.clear_mark() > mark
    })?;
    println!(
        "  sent again               {} ESP packets of before; refused as replays: {}",
        frames.len(),
        dropped(gateway, &reasons)? - before
    );
    Ok(())
}

fn spec(from: IpAddr, to: IpAddr, port: u16, count: u32) -> StreamSpec {
    StreamSpec {
        from,
        to,
        port,
        rate_pps: PROBES_PPS,
        count,
        octets: 64,
    }
}

/// Brings up the two children, each with some traffic within its selectors.
pub fn add_children(site: &Site, peer: &StrongSwan, name: &str) -> Result<()> {
    for (child, core) in probe_children(name).iter().zip([CORE_OLDER, CORE_NEWER]) {
        peer.initiate(&child.name)?;
        let within = spec(ENB_PROBE, core, PROBE_PORT, INSIDE_PACKETS);
        let tally = Stream::start(&site.enb, &site.core, within)?.finish(GRACE)?;
        println!(
            "  a child SA for one host  {}/{} packets within its selectors pass",
            tally.received, tally.sent
        );
    }
    Ok(())
}

/// Sends outside the selectors of the children, from both ends.
pub fn leave_selectors(site: &Site, gateway: &Gateway) -> Result<()> {
    let reasons = ["selector-mismatch", "no-sa"];
    let before = dropped(gateway, &reasons)?;
    let up = spec(ENB_PROBE, CORE_OLDER, PROBE_PORT, PROBES);
    let down = spec(V4.core, ENB_PROBE, PROBE_PORT, PROBES);
    let up = Stream::start(&site.enb, &site.core, up)?.finish(GRACE)?;
    let down = Stream::start(&site.core, &site.enb, down)?.finish(GRACE)?;
    let through = up.received + down.received;
    settle(gateway, &reasons, before + u64::from(2 * PROBES), || {
        through > 0
    })?;
    println!(
        "  outside the selectors    {}/{} packets pass from the eNodeB, {}/{} from the core",
        up.received, up.sent, down.received, down.sent
    );
    Ok(())
}

/// Sends to the eNodeB's inner address when there is no tunnel to it any more.
pub fn follow_deleted(site: &Site, gateway: &Gateway, recorder: &Recorder) -> Result<()> {
    let before = gateway.drops("no-sa")?;
    let mark = recorder.outer_mark();
    let probes = spec(V4.core, V4.enb_inner, GONE_PORT, PROBES);
    let tally = Stream::start(&site.core, &site.enb, probes)?.finish(GRACE)?;
    settle(gateway, &["no-sa"], before + u64::from(PROBES), || {
        recorder.outer_mark() > mark
    })?;
    println!(
        "  after its end            {}/{} packets for the eNodeB arrive; refused for want of an SA: {}",
        tally.received,
        tally.sent,
        gateway.drops("no-sa")? - before
    );
    Ok(())
}

/// Where routes to the eNodeB's inner addresses are: the gateway's own table (`show route`), its kernel's.
fn routes(site: &Site, gateway: &Gateway) -> Result<Vec<(String, bool)>> {
    let own = gateway.cli("show route")?;
    let kernel = site.gw.sh("ip route show; ip -6 route show")?;
    let mut found = vec![];
    for inner in [V4.enb_inner, V6.enb_inner] {
        for (place, table) in [("show route", &own), ("kernel", &kernel)] {
            let address = inner.to_string();
            let word = |w: &str| w.split('/').next() == Some(&address);
            let there = table.split_whitespace().any(word);
            found.push((format!("{inner} in {place}"), there));
        }
    }
    Ok(found)
}

/// Where a route is not `there` (or, for false, still there) in spite of all patience.
pub fn wrong_routes(site: &Site, gateway: &Gateway, there: bool) -> Result<Vec<String>> {
    let mut wrong = vec![];
    let settled = wait_until("the tunnel's routes", WITHDRAWAL, || {
        wrong = routes(site, gateway)?
            .into_iter()
            .filter(|(_, is)| *is != there)
            .map(|(place, _)| place)
            .collect();
        Ok(wrong.is_empty().then_some(()))
    });
    match settled {
        Ok(()) | Err(crate::BenchError::Deadline { .. }) => Ok(wrong),
        Err(error) => Err(error),
    }
}
