use super::segments;

#[test]
fn data_paths_are_taken_apart() {
    let got = segments("/a:b/c[k='v/w'][l=\"x'y\"]/d:e[.='f']/g");
    let want = [
        ("b", vec![]),
        ("c", vec!["v/w", "x'y"]),
        ("e", vec!["f"]),
        ("g", vec![]),
    ];
    let want: Vec<_> = want
        .into_iter()
        .map(|(n, v)| {
            (
                n.to_owned(),
                v.into_iter().map(str::to_owned).collect::<Vec<_>>(),
            )
        })
        .collect();
    assert_eq!(got, want);
    assert_eq!(segments("/a[").len(), 0);
    assert_eq!(segments("/a[k='v").len(), 0);
    assert_eq!(segments("nonsense").len(), 0);
}
