use super::*;
use crate::model::Model;
use crate::yang::SOURCES;
use yang3::schema::{SchemaNode as Theirs, SchemaNodeKind};

/// Their path of one of our nodes.
fn path(schema: &Schema, id: SchemaId) -> String {
    let mut steps = Vec::new();
    let mut at = Some(id);
    while let Some(id) = at.filter(|id| *id != Schema::ROOT) {
        let node = schema.node(id);
        steps.push(format!("/{}:{}", node.module, node.name));
        at = node.parent;
    }
    steps.reverse();
    steps.concat()
}

fn same_kind(ours: Kind, theirs: SchemaNodeKind) -> bool {
    matches!(
        (ours, theirs),
        (Kind::Container, SchemaNodeKind::Container)
            | (Kind::List, SchemaNodeKind::List)
            | (Kind::Leaf, SchemaNodeKind::Leaf)
            | (Kind::LeafList, SchemaNodeKind::LeafList)
    )
}

#[test]
fn our_view_of_the_modules_is_libyangs() {
    let model = Model::new().unwrap();
    let schema = model.schema();
    let mut ours = 0;
    for id in schema.all() {
        let node = schema.node(id);
        let path = path(schema, id);
        let theirs = model.context().find_path(&path).unwrap();
        assert!(same_kind(node.kind, theirs.kind()), "{path}");
        assert_eq!(theirs.is_list_key(), schema.is_key(id), "{path}");
        assert_eq!(theirs.is_user_ordered(), node.user_ordered, "{path}");
        let inner = node.is_inner();
        assert!(
            inner
                || theirs.is_mandatory() == node.mandatory
                || schema.is_key(id)
                || node.kind == Kind::LeafList,
            "{path}"
        );
        assert!(!node.description.is_empty(), "{path} has no help");
        ours += 1;
    }
    let data = |n: &Theirs<'_>| !matches!(n.kind(), SchemaNodeKind::Choice | SchemaNodeKind::Case);
    let theirs = model
        .context()
        .traverse()
        .filter(|n| n.module().name().starts_with("ravelin-") && data(n))
        .count();
    assert_eq!(ours, theirs);
}

#[test]
fn the_top_has_containers_only_and_statements_have_distinct_names() {
    let schema = Schema::new(SOURCES).unwrap();
    for id in &schema.node(Schema::ROOT).children {
        assert_eq!(schema.node(*id).kind, Kind::Container);
    }
}

#[test]
fn statements_that_would_be_misread_are_refused() {
    let refused = |body: &str| {
        let text = format!("module m {{ namespace n; prefix m; {body} }}");
        Schema::new(&[("m", Box::leak(text.into_boxed_str()))])
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused("deviation x;"),
        "YANG module m, line 1: `deviation` is not supported"
    );
    assert!(refused("uses g { refine x; } grouping g { }").contains("`uses` with changes"));
    assert!(refused("uses g;").contains("no grouping `g`"));
    assert!(refused("leaf a { type b; }").contains("no type `b`"));
    assert!(
        refused("leaf a { type string; } leaf a { type string; }").contains("`a` is there twice")
    );
    assert!(refused("grouping g { uses g; } uses g;").contains("too deeply"));
    assert!(refused("leaf \"a").contains("unterminated string"));
    assert!(
        refused("container c { leaf a { type string; if-feature f; } }").contains("if-feature")
    );
}
