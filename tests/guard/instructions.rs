//! The pipeline does not become slower unnoticed: instructions per packet of the stages, with a cipher that does nothing, are at most
//! [`TOLERANCE_PERCENT`] above those in `instructions.txt`. Instructions and not time, so that neither the machine nor its load counts.
//!
//! What runs is the bench of the stages (`tests/perf/stages.rs`) under callgrind, which counts within `Worker::run_once` only. Numbers
//! are higher than those of a release: the assertions of the data plane are in it, and each crate is optimised by itself.
//! After a change that is meant: `./x bench stages --update-guard`.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod callgrind;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a change may cost before the test fails.
const TOLERANCE_PERCENT: f64 = 5.0;
/// With another compiler than the one that made the table: it finds less or more to optimise.
const OTHER_COMPILER_PERCENT: f64 = 25.0;
/// Of one run of the bench: bursts of 64.
const PACKETS: f64 = 300.0 * 64.0;
/// Files below this are summed in the table.
const WORTH_A_LINE: f64 = 3.0;
const TOTAL: &str = "total";
const PROGRAM: &str = env!("CARGO_BIN_EXE_ravelin-stages");

/// Instructions per packet by source file, and their sum.
type Costs = BTreeMap<String, f64>;

fn table() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt")
}

/// The compiler's version as it stands in the program.
fn compiler() -> String {
    const BEFORE: &[u8] = b"rustc version ";
    let program = std::fs::read(PROGRAM).unwrap();
    let at = program
        .windows(BEFORE.len())
        .position(|octets| octets == BEFORE);
    let version = &program[at.expect("no compiler's version in the program") + BEFORE.len()..];
    let end = version
        .iter()
        .position(|octet| !b"0123456789.".contains(octet));
    String::from_utf8_lossy(&version[..end.unwrap()]).into_owned()
}

fn measure(direction: &str) -> Costs {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("callgrind");
    let run = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg("--toggle-collect=*Worker*run_once*")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .args([PROGRAM, "--mix", "IMIX", "--profile"])
        .arg(format!("{direction}:1:1"))
        .output()
        .expect("valgrind");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    let sums = callgrind::by_file(&std::fs::read_to_string(out).unwrap());
    let sum = sums.values().sum::<u64>() as f64 / PACKETS;
    assert!(
        sum > 100.0,
        "callgrind has not seen Worker::run_once: {said}"
    );
    let mut costs = Costs::from([(TOTAL.to_owned(), sum)]);
    for (file, instructions) in sums {
        let cost = instructions as f64 / PACKETS;
        let name = if cost < WORTH_A_LINE {
            "rest".to_owned()
        } else {
            file
        };
        *costs.entry(name).or_default() += cost;
    }
    costs
}

/// The lines of one direction, the dearest first.
fn lines(direction: &str, costs: &Costs) -> String {
    let mut sorted: Vec<_> = costs.iter().collect();
    sorted.sort_by(|a, b| b.1.total_cmp(a.1));
    sorted.iter().fold(String::new(), |mut text, (name, cost)| {
        let _ = writeln!(text, "{direction} {cost:.0} {name}");
        text
    })
}

/// The table's compiler, and its costs of one direction.
fn known(text: &str, direction: &str) -> (String, Costs) {
    let of = |wanted: &'static str| {
        move |line: &str| {
            let rest = line.strip_prefix(wanted)?;
            Some(rest.trim().to_owned())
        }
    };
    let compiler = text.lines().find_map(of("compiler ")).expect("a compiler");
    let costs = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(direction)?.strip_prefix(' ')?;
        let (cost, name) = rest.split_once(' ')?;
        Some((name.to_owned(), cost.parse().unwrap()))
    });
    (compiler, costs.collect())
}

/// Each file with what it was, what it is, and the difference, the worst first.
fn comparison(was: &Costs, is: &Costs) -> String {
    let cost = |costs: &Costs, name: &str| costs.get(name).copied().unwrap_or_default();
    let names = was
        .keys()
        .chain(is.keys().filter(|name| !was.contains_key(*name)));
    let mut rows: Vec<_> = names
        .map(|name| (cost(is, name) - cost(was, name), name))
        .collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    rows.iter().fold(String::new(), |mut text, (more, name)| {
        let (was, is) = (cost(was, name), cost(is, name));
        let _ = writeln!(text, "{was:8.0} {is:8.0} {more:+8.0}  {name}");
        text
    })
}

fn judge(direction: &str, text: &str, is: &Costs, compiler: &str) -> Result<(), String> {
    let (made_by, was) = known(text, direction);
    let percent = if made_by == compiler {
        TOLERANCE_PERCENT
    } else {
        OTHER_COMPILER_PERCENT
    };
    let (before, now) = (was[TOTAL], is[TOTAL]);
    if now <= before * (1.0 + percent / 100.0) {
        return Ok(());
    }
    Err(format!(
        "{direction}: {now:.0} instructions per packet instead of {before:.0}, more than {percent} % above (rustc {compiler}, table by \
         {made_by})\n     was       is     more  file\n{}if it is meant: ./x bench stages --update-guard",
        comparison(&was, is)
    ))
}

#[test]
fn stages_cost_no_more_instructions_than_before() {
    let compiler = compiler();
    let [out, inward] = std::thread::scope(|scope| {
        ["out", "in"]
            .map(|direction| scope.spawn(move || measure(direction)))
            .map(|thread| thread.join().unwrap())
    });
    let measured = format!(
        "# Instructions per packet of the stages: direction, instructions, source file. Made by `./x bench stages --update-guard`.\n\
         compiler {compiler}\n{}{}",
        lines("out", &out),
        lines("in", &inward)
    );
    println!("{measured}");
    if std::env::var_os("RAVELIN_UPDATE_GUARD").is_some() {
        std::fs::write(table(), measured).unwrap();
        return;
    }
    let text = std::fs::read_to_string(table()).unwrap();
    let verdicts = [("out", &out), ("in", &inward)].map(|(direction, is)| {
        judge(direction, &text, is, &compiler)
            .err()
            .unwrap_or_default()
    });
    assert!(
        verdicts.iter().all(String::is_empty),
        "\n{}",
        verdicts.join("\n")
    );
}

#[test]
fn a_dearer_stage_is_named_and_another_compiler_is_given_room() {
    let text = "compiler 1.90.0\nout 100 total\nout 60 a.rs\nout 40 b.rs\nin 7 total\n";
    let costs = |a, b| {
        Costs::from([("total", a + b), ("a.rs", a), ("b.rs", b)].map(|(n, c)| (n.to_owned(), c)))
    };
    assert_eq!(judge("out", text, &costs(60.0, 45.0), "1.90.0"), Ok(()));
    let refused = judge("out", text, &costs(59.0, 47.0), "1.90.0").unwrap_err();
    let rows: Vec<&str> = refused
        .lines()
        .filter(|line| line.ends_with(".rs"))
        .collect();
    assert_eq!(
        rows[0].split_whitespace().collect::<Vec<_>>(),
        ["40", "47", "+7", "b.rs"]
    );
    assert_eq!(judge("out", text, &costs(59.0, 47.0), "1.91.0"), Ok(()));
    assert!(judge("out", text, &costs(80.0, 47.0), "1.91.0").is_err());
}
