//! Each rule gets something bad, and something that only looks bad. A rule that cannot fail checks nothing.

use super::faults;
use super::layers::{self, Package};
use super::lexer::{has_word, split, without_inline_tests};
use super::packages;
use super::proofs;
use super::requirements;
use super::rules::{self, Violation};
use super::skips;
use serde_json::json;

const IKE: &str = "appliance/ike/src/sa.rs";

/// Nothing found, as line numbers.
const NONE: [usize; 0] = [];

fn lines_of(found: &[Violation]) -> Vec<usize> {
    found.iter().map(|v| v.line).collect()
}

fn code_of(source: &str) -> Vec<String> {
    split(source).into_iter().map(|line| line.code).collect()
}

#[test]
fn the_lexer_separates_code_from_text() {
    assert_eq!(code_of("a // b\nc"), ["a ", "c"]);
    assert_eq!(code_of("a /* b /* c */\nd */ e"), ["a ", " e"]);
    assert_eq!(code_of(r#"f("x // \" y") // z"#), [r#"f("") "#]);
    assert_eq!(code_of("r##\"a\"# b\"## + br\"c\""), ["\"\" + b\"\""]);
    assert_eq!(
        code_of("'\"' + '\\'' + x::<'a>()"),
        ["' ' + ' ' + x::<'a>()"]
    );
    assert_eq!(split("x // SAFETY: y")[0].comment, " SAFETY: y");
    assert!(has_word("std::thread::spawn", "thread") && !has_word("threads", "thread"));
}

#[test]
fn inline_test_modules_are_left_out() {
    let source = "a\n#[cfg(test)]\nmod tests {\n fn f() { b }\n}\nc\n#[cfg(test)]\nmod tests;\nd";
    let code: String = without_inline_tests(split(source))
        .iter()
        .map(|l| l.code.as_str())
        .collect();
    assert!(code.contains('a') && code.contains("c#[") && code.ends_with('d'));
    assert!(!code.contains('b'));
}

#[test]
fn a_long_file_is_found() {
    assert_eq!(rules::size("a.rs", &"x\n".repeat(rules::MAX_LINES)), []);
    let found = rules::size("a.rs", &"x\n".repeat(rules::MAX_LINES + 1));
    assert_eq!(lines_of(&found), [rules::MAX_LINES + 1]);
}

#[test]
fn unfinished_work_is_found() {
    let text = concat!("a\n// TO", "DO: later\nto", "do!()\nFIX", "ME\nmethodology");
    assert_eq!(lines_of(&rules::unfinished("a.rs", text)), [2, 3, 4]);
}

#[test]
fn a_home_path_is_found() {
    let text = concat!(
        "a\n\"/ho",
        "me/me/x\"\n$T/ho",
        "me/x\n`/ro",
        "ot/.ssh`\n~/.cache"
    );
    let found = rules::home_paths("a.sh", text);
    assert_eq!(lines_of(&found), [2, 4]);
    assert!(found[0].to_string().starts_with("a.sh:2: home path: "));
}

#[test]
fn a_module_without_purpose_is_found() {
    assert_eq!(rules::opening("a/b.rs", "//! Does."), []);
    assert_eq!(rules::opening("a/b/tests.rs", "use x;"), []);
    assert_eq!(rules::opening("a/b.rs", "// Does.\nuse x;").len(), 1);
    assert_eq!(rules::opening("a/b.rs", "").len(), 1);
}

#[test]
fn unsafe_outside_its_crates_is_found() {
    let code = "// unsafe\nlet a = \"unsafe\";\nunsafe { f() }\n";
    let found = rules::unsafe_code(IKE, code, "ravelin-ike");
    assert_eq!(lines_of(&found), [3]);
}

#[test]
fn unsafe_without_a_reason_is_found() {
    let path = "appliance/dpdk/src/a.rs";
    let check = |code: &str| lines_of(&rules::unsafe_code(path, code, "dpdk-rs"));
    assert_eq!(check("let x = unsafe { f() };"), [1]);
    assert_eq!(check("unsafe impl Send for X {}"), [1]);
    assert_eq!(
        check("// SAFETY: it is sound.\nlet x = unsafe { f() };"),
        NONE
    );
    assert_eq!(check("// SAFETY: sound.\nunsafe impl Send for X {}"), NONE);
    assert_eq!(check("unsafe extern \"C\" {}\npub unsafe fn f() {}"), NONE);
    let far = format!("// SAFETY: far.\n{}unsafe {{ f() }}", "x\n".repeat(20));
    assert_eq!(check(&far), [22]);
}

#[test]
fn a_root_that_allows_unsafe_is_found() {
    let check = |text: &str, name: &str| rules::crate_root("a/src/lib.rs", text, name).len();
    assert_eq!(check("//! A.\n#![forbid(unsafe_code)]\n", "ravelin-ike"), 0);
    assert_eq!(check("//! A.\n", "ravelin-ike"), 1);
    assert_eq!(
        check("//! A.\n// #![forbid(unsafe_code)]\n", "ravelin-ike"),
        1
    );
    assert_eq!(check("//! A.\n", "dpdk-sys"), 0);
}

#[test]
fn io_in_a_protocol_crate_is_found() {
    let bad = [
        "let now = Instant::now();",
        "use std::net::UdpSocket;",
        "std::thread::spawn(f);",
        "async fn f() { tokio::time::now() }",
        "rand::random()",
        "use ravelin_crypto::{DhPrivate, random};",
        "use ravelin_crypto::{\n    DhPrivate,\n    random,\n};",
        "let s = std::fs::read(p);",
    ];
    for code in bad {
        assert_eq!(lines_of(&rules::sans_io(IKE, code)), [1], "{code}");
        assert_eq!(rules::sans_io("appliance/ike/src/sa/tests.rs", code), []);
        assert_eq!(rules::sans_io("appliance/mgmt/src/sa.rs", code), []);
        let inline = format!("#[cfg(test)]\nmod tests {{\n{code}\n}}");
        assert_eq!(rules::sans_io(IKE, &inline), []);
    }
    let good = "// no Instant here\nlet s = \"thread\"; let threads = 1; use ravelin_crypto::prf;\nself.random()";
    assert_eq!(rules::sans_io(IKE, good), []);
}

#[test]
fn a_sleeping_test_is_found() {
    let code = concat!("std::thread::sle", "ep(d);");
    assert_eq!(rules::sleep_in_tests("tests/interop/a.rs", code).len(), 1);
    assert_eq!(
        rules::sleep_in_tests("appliance/a/src/b/tests.rs", code).len(),
        1
    );
    assert_eq!(rules::sleep_in_tests("qemu/src/b.rs", code).len(), 1);
    assert_eq!(rules::sleep_in_tests("qemu/src/wait.rs", code), []);
    assert_eq!(rules::sleep_in_tests("appliance/a/src/b.rs", code), []);
}

fn package(name: &str, uses: &[(&str, &str)]) -> Package {
    Package {
        name: name.into(),
        manifest: "Cargo.toml".into(),
        uses: uses
            .iter()
            .map(|(n, k)| ((*n).into(), (*k).into()))
            .collect(),
    }
}

#[test]
fn a_dependency_upwards_is_found() {
    let rules_of = |packages: &[Package]| -> Vec<&str> {
        layers::check(packages).iter().map(|v| v.rule).collect()
    };
    let ike = package("ravelin-ike", &[]);
    assert_eq!(
        rules_of(&[package(
            "ravelin-ike",
            &[("ravelin-types", "normal"), ("ravelin-mgmt", "dev")]
        )]),
        [""; 0]
    );
    assert_eq!(
        rules_of(&[package("ravelin-types", &[("ravelin-wire", "normal")])]),
        ["layering"]
    );
    assert_eq!(
        rules_of(&[package("ravelin-esp", &[("ravelin-ike", "build")])]),
        ["layering"]
    );
    assert_eq!(
        rules_of(&[
            package("ravelin-dataplane", &[("ravelin-ike", "normal")]),
            ike
        ]),
        ["layering"]
    );
    let through = [
        package("ravelin-ike", &[("ravelin-ctl", "dev")]),
        package("ravelin-ctl", &[("ravelin-dataplane", "dev")]),
        package("ravelin-dataplane", &[]),
    ];
    assert_eq!(rules_of(&through), ["layering"]);
    assert_eq!(rules_of(&[package("ravelin-new", &[])]), ["unknown crate"]);
    assert_eq!(
        rules_of(&[package("ravelin-wire", &[("tokio", "normal")])]),
        ["I/O in a sans-IO crate"]
    );
}

#[test]
fn a_limit_without_its_constant() {
    let document = "## Limits\n| what | bound | constant |\n|---|---|---|\n| x | 1 | `ONE`, `TWO` (ike), `ONE` (esp) |\n\n## Next\n| x | 1 | `NO` (ike) |\n";
    let sources = [(
        "appliance/ike/src/a.rs".to_owned(),
        "pub const ONE: usize = 1;".to_owned(),
    )];
    let found = super::limits::check(document, &sources);
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "ARCHITECTURE.md:4: limits: TWO is not declared in crate ike",
            "ARCHITECTURE.md:4: limits: ONE is not declared in crate esp",
        ]
    );
}

#[test]
fn a_fault_in_the_product_is_found() {
    let planed = |uses: &str| {
        json!({"name": "ravelin-bin-planed", "dependencies": [{"name": uses, "features": []}],
               "features": {"misbehave": []}})
    };
    let faulty = json!({"name": "ravelin-misbehave", "dependencies": [{"name": "nix", "features": []}],
                        "features": {"default": ["misbehave"], "misbehave": []}});
    let breaches = |packages: &[serde_json::Value]| {
        let found = faults::check(&json!({ "packages": packages }));
        found.into_iter().map(|v| v.text).collect::<Vec<_>>()
    };
    assert_eq!(
        breaches(&[planed("nix"), faulty.clone()]),
        Vec::<String>::new()
    );
    let others = breaches(&[planed("log"), faulty.clone()]);
    assert!(others[0].contains("must be those of"), "{others:?}");
    for bad in [
        json!({"name": "a", "dependencies": [{"name": "ravelin-misbehave", "features": []}]}),
        json!({"name": "a", "dependencies": [{"name": "b", "features": ["misbehave"]}]}),
        json!({"name": "a", "features": {"default": ["b/misbehave"]}}),
    ] {
        assert_eq!(
            breaches(&[planed("nix"), faulty.clone(), bad.clone()]).len(),
            1,
            "{bad}"
        );
    }
    let hook = concat!("a\n#[cfg(feature = \"mis", "behave\")]\nb");
    assert_eq!(
        lines_of(&faults::places("appliance/esp/src/lib.rs", hook)),
        [2]
    );
    let place = "appliance/bin/planed/src/nic.rs";
    assert_eq!(lines_of(&faults::places(place, hook)), NONE);
}

#[test]
fn a_system_test_without_a_row_is_found() {
    let table = "## What proves it\n| a | b | `interop/{one,two}.rs`; `ike/x.rs` |\n## Next\n| `interop/three.rs` |";
    let files = |names: &[&str]| names.iter().map(|n| format!("{n}.rs")).collect::<Vec<_>>();
    let built = ["one.rs", "two.rs", "three.rs"];
    assert_eq!(proofs::check(table, &files(&["one", "two"]), &built), []);
    let texts = |names: &[&str], built: &[&str]| {
        let found = proofs::check(table, &files(names), built);
        found.into_iter().map(|v| v.text).collect::<Vec<_>>()
    };
    assert_eq!(
        texts(&["one", "two", "three"], &built),
        ["no row names interop/three.rs"]
    );
    assert_eq!(
        texts(&["one"], &built),
        ["tests/interop/two.rs does not exist"]
    );
    assert_eq!(
        texts(&["one", "two"], &["one.rs"]),
        ["interop/two.rs is no [[test]]"]
    );
}

#[test]
fn packages_without_a_reason_without_a_lock_and_twice() {
    let list = "# tools\njq\n\nless\nless  # pages\n";
    assert_eq!(lines_of(&packages::explained("list", list)), [4]);
    assert_eq!(lines_of(&packages::unique("list", list)), [5]);
    let digest = "0".repeat(64);
    let lock = format!("# made\njq 1.7 {digest} pool/main/j/jq.deb\n");
    assert_eq!(lines_of(&packages::locked(list, &lock)), [4, 5]);
    assert_eq!(lines_of(&packages::locked("jq # why\n", &lock)), NONE);
    let broken = lock.replace("0 pool", " pool");
    assert_eq!(lines_of(&packages::locked("", &broken)), [2]);
}

#[test]
fn skips_and_ignored_tests_are_compared() {
    let source = "#[test]\n#[ignore = \"long\"]\nfn slow() {\n}\n#[test]\nfn other() {\n}\n";
    let sources = [("a.rs".to_owned(), source.to_owned())];
    assert_eq!(
        lines_of(&skips::check(
            "# list\nslow it is long\nother no device\n",
            &sources
        )),
        NONE
    );
    assert_eq!(lines_of(&skips::check("slow\n", &sources)), [1]);
    assert_eq!(lines_of(&skips::check("slow x\ngone y\n", &sources)), [2]);
    let missing = skips::check("other x\n", &sources);
    assert_eq!(lines_of(&missing), [2]);
    assert!(missing[0].text.contains("slow"));
}

#[test]
fn requirements_with_stale_names_without_reasons_and_twice() {
    let source = "fn code() {}\n#[test]\nfn shown() {\n}\nfn helper() {\n}\n";
    let sources = [("appliance/ike/src/a.rs".to_owned(), source.to_owned())];
    let text = "## 1\n\n> You MUST\n> do it.\n\n* code: `a.rs::code`\n* tests:\n  `a.rs::shown`\n";
    let found = |text: &str| {
        let entries = requirements::parse(text).unwrap_or_default();
        requirements::check(&entries, &sources)
    };
    assert_eq!(lines_of(&found(text)), NONE);
    assert_eq!(lines_of(&found(&text.replace("::code", "::cod"))), [3]);
    let stale = found(&text.replace("::shown", "::helper"));
    assert_eq!(lines_of(&stale), [3]);
    assert!(
        stale[0]
            .text
            .contains("a.rs::helper is no test: You MUST do it.")
    );
    assert_eq!(lines_of(&found(&text.replace("* code", "* cod"))), [3, 3]);
    assert_eq!(lines_of(&found(&text.replace("MUST", "may"))), [3]);
    assert_eq!(lines_of(&found(&format!("{text}\n{text}"))), [12]);
    let exception = "## 1\n\n> You MUST.\n\n* not yet: Later.\n";
    assert_eq!(lines_of(&found(exception)), NONE);
    assert_eq!(lines_of(&found(&exception.replace("yet", "now"))), [3]);
    assert!(requirements::parse("* code: `a.rs::code`\n").is_err());
    let entries = requirements::parse(exception).unwrap_or_default();
    let sums = "RFC 7296: 1 sentences, 0 met and tested, 1 exceptions (1 not yet)";
    assert_eq!(requirements::report(&entries), sums);
    assert!(requirements::missing(&entries).len() > 50);
    let rfc = "1. Introduction IP Security\nYou\nMUST. You may.\n";
    assert_eq!(lines_of(&requirements::compare(&entries, rfc)), NONE);
    let more = format!("{rfc}He SHALL not.");
    assert_eq!(lines_of(&requirements::compare(&entries, &more)), [0]);
    let less = rfc.replace("You\nMUST.", "");
    assert_eq!(lines_of(&requirements::compare(&entries, &less)), [3]);
}
