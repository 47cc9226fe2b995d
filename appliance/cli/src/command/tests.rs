//! Resolving, abbreviations, errors with their places, completion.

use super::*;
use crate::{CommandError, caret};

fn verb(line: &str) -> Verb {
    parse(line).unwrap().unwrap().verb
}

fn words(line: &str) -> Vec<String> {
    choices(line).1.into_iter().map(|c| c.word).collect()
}

#[test]
fn every_command_resolves_to_itself() {
    for entry in COMMANDS {
        let line = entry
            .words
            .replace("<peer>", "192.0.2.1")
            .replace("<index>", "7")
            .replace("<interface>", "ge-0/0/0");
        match entry.value {
            Some(value) => assert_eq!(verb(&line), value, "{line}"),
            None => assert!(
                matches!(parse(&line), Err(CommandError::Incomplete { .. })),
                "{line}"
            ),
        }
        assert!(!entry.help.is_empty() && entry.help.len() < 50, "{line}");
    }
}

#[test]
fn every_group_has_its_help() {
    for entry in COMMANDS {
        let mut parts: Vec<&str> = entry.words.split(' ').collect();
        while parts.pop().is_some() && !parts.is_empty() {
            let group = parts.join(" ");
            assert!(
                COMMANDS.iter().any(|e| e.words == group),
                "`{group}` has no entry"
            );
        }
    }
}

#[test]
fn unique_prefixes() {
    assert_eq!(verb("sh sec ike sec"), Verb::ShowIkeSas { detail: false });
    assert_eq!(
        verb("show security ipsec security-associations det"),
        Verb::ShowIpsecSas { detail: true }
    );
    assert_eq!(verb("  sh   int t "), Verb::ShowInterfaces { terse: true });
    assert_eq!(verb("q"), Verb::Exit);
}

#[test]
fn values_and_filters() {
    let parsed = parse("clear security ike security-associations 192.0.2.9 | match \"a | b\" | c")
        .unwrap()
        .unwrap();
    assert_eq!(parsed.verb, Verb::ClearIke);
    assert_eq!(parsed.values[0].text, "192.0.2.9");
    assert_eq!(parsed.filters[0].0, Filter::Match);
    assert_eq!(parsed.filters[0].1.as_ref().unwrap().text, "a | b");
    assert_eq!(parsed.filters[1], (Filter::Count, None));
    assert_eq!(parse("  ").unwrap(), None);
}

#[test]
fn errors_name_word_place_and_candidates() {
    let fails = |line: &str| {
        let error = parse(line).unwrap_err();
        (error.at(), error.to_string())
    };
    assert_eq!(
        fails("show secrity drops"),
        (
            5,
            "unknown word `secrity`, expected chassis, configuration, interfaces, log, route, security, system or version"
                .to_owned()
        )
    );
    assert_eq!(
        fails("show s"),
        (5, "`s` is ambiguous: security or system".to_owned())
    );
    assert_eq!(
        fails("show security ipsec"),
        (
            20,
            "incomplete command, expected acceleration, flight-recorder, security-associations or statistics"
                .to_owned()
        )
    );
    assert_eq!(
        fails("show interfaces terse brief"),
        (
            22,
            "`brief` is too much: the command ends before it".to_owned()
        )
    );
    assert_eq!(
        fails("show route | display xml"),
        (
            21,
            "unknown word `xml`, expected json, secrets or set".to_owned()
        )
    );
    assert_eq!(
        fails("show route | match \"x"),
        (19, "the quote is not closed".to_owned())
    );
    assert_eq!(
        fails("show route |"),
        (
            13,
            "incomplete command, expected count, display, except, match or no-more".to_owned()
        )
    );
    assert_eq!(caret("show secrity", 5, 2), "       ^");
    assert_eq!(caret("ü x", 3, 0), "  ^");
}

#[test]
fn completion() {
    assert_eq!(
        words(""),
        [
            "clear", "exit", "quit", "monitor", "request", "show", "start"
        ]
    );
    assert_eq!(words("sh"), ["show"]);
    assert_eq!(words("sh sec i"), ["ike", "ipsec"]);
    assert_eq!(words("show security i"), ["ike", "ipsec"]);
    assert_eq!(words("show interfaces "), ["terse", "|"]);
    assert_eq!(words("show route | m"), ["match"]);
    assert_eq!(words("show route | match "), ["<pattern>"]);
    assert_eq!(
        words("clear security ike security-associations "),
        ["<peer>", "|"]
    );
    assert_eq!(words("nonsense "), Vec::<String>::new());
    assert_eq!(choices("show security i").0, 14);
    assert_eq!(choices("show ").0, 5);
}

#[test]
fn options_come_in_any_order_and_once() {
    let line = "monitor traffic interface ge-0/0/0 size 96 matching \"host 10.0.0.1\" co 3";
    let parsed = parse(line).unwrap().unwrap();
    assert_eq!(parsed.verb, Verb::MonitorTraffic);
    assert_eq!(parsed.values[0].text, "ge-0/0/0");
    let chosen: Vec<_> = (parsed.chosen.iter())
        .map(|(choice, word)| (*choice, word.text.as_str()))
        .collect();
    assert_eq!(
        chosen,
        [
            (Choose::Size, "96"),
            (Choose::Matching, "host 10.0.0.1"),
            (Choose::Count, "3")
        ]
    );
    let fails = |line: &str| parse(line).unwrap_err().to_string();
    assert_eq!(
        fails("monitor traffic interface st0.0 count 1 count 2"),
        "`count` is given twice"
    );
    assert_eq!(
        fails("monitor traffic interface st0.0 lenght 7"),
        "unknown word `lenght`, expected count, matching, size or write-file"
    );
    assert_eq!(
        fails("monitor traffic interface st0.0 size"),
        "incomplete command, expected <octets>"
    );
    assert_eq!(
        words("monitor traffic interface st0.0 size 96 "),
        ["count", "matching", "write-file", "|"]
    );
    assert_eq!(words("monitor traffic interface st0.0 w"), ["write-file"]);
    assert_eq!(words("monitor traffic interface st0.0 size "), ["<octets>"]);
    assert_eq!(words("monitor traffic interface "), ["<interface>"]);
}
