use crate::Secrets;
use crate::model::tests::MODEL;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a value holds, it is printed so that it reads back as itself.
    #[test]
    fn any_value_survives_printing(value in "\\PC{1,40}") {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let text = format!("interfaces {{ ge-0/0/0 {{ description \"{quoted}\"; }} }}");
        let tree = MODEL.parse("t.conf", &text).unwrap();
        let braces = MODEL.print(&tree, Secrets::Show);
        prop_assert!(MODEL.parse("braces", &braces).is_ok_and(|t| t == tree), "{}", *braces);
        let lines = MODEL.print_set(&tree, Secrets::Show);
        prop_assert!(MODEL.parse("lines", &lines).is_ok_and(|t| t == tree), "{}", *lines);
    }

    /// No text makes the parser panic, and each refusal has a place within the text.
    #[test]
    fn any_text_is_answered(text in "([a-z]{1,3}|system|interfaces|security|ike|set|inactive:|[{};\\[\\]\"#\n /*])*") {
        if let Err(refusal) = MODEL.parse("t.conf", &text) {
            let lines = text.lines().count() as u32 + 1;
            prop_assert!(refusal.diagnostics.iter().all(|d| d.pos.is_some_and(|p| p.line <= lines)));
        }
    }
}

#[test]
fn siblings_print_in_natural_order() {
    let text =
        "interfaces { ge-0/0/10 { mtu 1500; } ge-0/0/9 { mtu 1500; } ge-0/0/1 { mtu 1500; } }";
    let printed = MODEL.print(&MODEL.parse("t.conf", text).unwrap(), Secrets::Show);
    let names: Vec<_> = printed
        .lines()
        .filter(|l| l.contains("ge-"))
        .map(str::trim)
        .collect();
    assert_eq!(names, ["ge-0/0/1 {", "ge-0/0/9 {", "ge-0/0/10 {"]);
}

#[test]
fn user_ordered_values_keep_their_order() {
    let text = "security {\n    ike {\n        policy P {\n            proposals [ B A ];\n        }\n    }\n}\n";
    let tree = MODEL.parse("t.conf", text).unwrap();
    assert_eq!(*MODEL.print(&tree, Secrets::Show), text);
    let other = MODEL.parse("t.conf", &text.replace("B A", "A B")).unwrap();
    assert!(tree != other);
}
