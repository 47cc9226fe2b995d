//! What callgrind wrote, summed by source file. The format is that of valgrind's manual, chapter "Callgrind Format Specification".

use std::collections::{BTreeMap, HashMap};

/// Names are written once, with a number; afterwards only the number.
#[derive(Default)]
struct Names(HashMap<String, String>);

impl Names {
    fn name(&mut self, text: &str) -> String {
        let Some((number, rest)) = text.split_once(')') else {
            return text.to_owned();
        };
        if !rest.is_empty() {
            self.0.insert(number.to_owned(), rest.trim().to_owned());
        }
        self.0.get(number).cloned().unwrap_or_default()
    }
}

/// Instructions by source file, inlined code under its own. What the C library did is left out: it chooses its code by the CPU.
pub fn by_file(text: &str) -> BTreeMap<String, u64> {
    let (mut files, mut objects) = (Names::default(), Names::default());
    let (mut file, mut object) = (String::new(), String::new());
    let mut cost_of_call = false;
    let mut sums = BTreeMap::new();
    for line in text.lines() {
        match line.split_once('=') {
            Some(("fl" | "fi" | "fe", name)) => file = files.name(name),
            Some(("cfl" | "cfi", name)) => drop(files.name(name)),
            Some(("ob", name)) => object = objects.name(name),
            Some(("cob", name)) => drop(objects.name(name)),
            Some(("calls", _)) => cost_of_call = true,
            Some(_) => {}
            None => {
                let Some(cost) = cost(line) else {
                    continue;
                };
                // The line behind `calls` is what the called function cost, which stands where it ran.
                if !std::mem::take(&mut cost_of_call) && !object.contains("/libc.so") {
                    *sums.entry(short(&file)).or_default() += cost;
                }
            }
        }
    }
    sums
}

/// The instructions of a line `place instructions`, where a place is a number, a distance, or as before.
fn cost(line: &str) -> Option<u64> {
    let (place, instructions) = line.split_once(' ')?;
    let is_place = place.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c));
    is_place.then(|| instructions.parse().ok()).flatten()
}

/// The file in the checkout, without what differs between machines.
fn short(path: &str) -> String {
    for (marker, name) in [
        ("/library/", "std"),
        ("tests/perf/", "ports and buffers of the bench"),
    ] {
        if path.contains(marker) {
            return name.to_owned();
        }
    }
    match path.split_once("appliance/") {
        Some((_, inside)) => inside.to_owned(),
        None => "other crates".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::by_file;

    #[test]
    fn files_have_their_own_cost_and_not_that_of_calls() {
        let text = "events: Ir\n\nob=(1) /bin/x\nfl=(1) /x/appliance/b/src/c.rs\nfn=(1) f\n10 5\n+3 7\n\
            fi=(2) /rustc/0/library/core/src/iter.rs\n4 2\nfe=(1)\n-1 1\ncfn=(2) g\ncalls=3 9\n* 1000\n\
            ob=(2) /usr/lib/libc.so.6\nfl=(3) memcpy.S\nfn=(3) memcpy\n1 90\n\
            ob=(1)\nfl=(1)\nfn=(2)\n9 40\n";
        let sums = by_file(text);
        let pairs: Vec<(&str, u64)> = sums
            .iter()
            .map(|(file, sum)| (file.as_str(), *sum))
            .collect();
        assert_eq!(pairs, [("b/src/c.rs", 53), ("std", 2)]);
    }
}
