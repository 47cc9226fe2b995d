//! The rows that the targets are about, as bars: in the terminal and as an SVG plot. Cycles per packet without the ports.

use std::fmt::Write;

use super::row::Row;
use super::verdict::is_of_targets;

/// Columns of the longest bar.
const WIDTH_COLUMNS: f64 = 60.0;
/// Pixels of the plot.
const WIDTH: f64 = 900.0;
const LABEL: f64 = 170.0;
const BAR: f64 = 16.0;
const GAP: f64 = 14.0;
const HEAD: f64 = 60.0;
/// Room for the number behind the longest bar.
const NUMBER: f64 = 60.0;

/// One group of bars: its name, and name, colour and cycles of each.
struct Group {
    name: String,
    bars: Vec<(&'static str, &'static str, f64)>,
}

fn groups(rows: &[Row], ghz: f64) -> Vec<Group> {
    let group = |row: &Row| {
        let mut bars = vec![("cipher", "#9aa0a6", row.limit())];
        bars.extend(row.peer_net().map(|ns| ("ipsec-secgw", "#d98c3f", ns)));
        bars.push(("ravelin", "#2f6db5", row.net()));
        for bar in &mut bars {
            bar.2 *= ghz;
        }
        Group {
            name: format!("{} SAs {}", row.sas, row.direction),
            bars,
        }
    };
    rows.iter()
        .filter(|row| is_of_targets(row))
        .map(group)
        .collect()
}

fn longest(groups: &[Group]) -> f64 {
    let all = groups.iter().flat_map(|group| &group.bars);
    all.map(|bar| bar.2).fold(1.0, f64::max)
}

/// For the terminal.
pub fn bars(rows: &[Row], ghz: f64) -> String {
    let groups = groups(rows, ghz);
    let scale = WIDTH_COLUMNS / longest(&groups);
    let mut text = String::new();
    for group in &groups {
        let _ = writeln!(text, "{}", group.name);
        for (name, _, cycles) in &group.bars {
            let columns = (cycles * scale).round().max(1.0) as usize;
            let _ = writeln!(text, "  {name:<12} {} {cycles:.0}", "#".repeat(columns));
        }
    }
    text
}

/// As an SVG plot with this title.
pub fn svg(rows: &[Row], ghz: f64, title: &str) -> String {
    let groups = groups(rows, ghz);
    let scale = (WIDTH - LABEL - NUMBER) / longest(&groups);
    let count: usize = groups.iter().map(|group| group.bars.len()).sum();
    let height = HEAD + count as f64 * BAR + (groups.len() as f64 + 1.0) * (GAP + BAR);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"22\" font-size=\"15\">{}</text>\n\
         <text x=\"10\" y=\"42\" fill=\"#555\">cycles per packet without the ports; shorter is better</text>\n",
        escaped(title)
    );
    let mut y = HEAD;
    for group in &groups {
        let _ = writeln!(
            text,
            "<text x=\"10\" y=\"{:.0}\" font-weight=\"bold\">{}</text>",
            y + BAR - 4.0,
            escaped(&group.name)
        );
        y += BAR;
        for (name, colour, cycles) in &group.bars {
            let width = cycles * scale;
            let base = y + BAR - 5.0;
            let _ = writeln!(
                text,
                "<text x=\"30\" y=\"{base:.0}\">{name}</text>\
                 <rect x=\"{LABEL}\" y=\"{:.0}\" width=\"{width:.1}\" height=\"{:.0}\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{base:.0}\">{cycles:.0}</text>",
                y + 1.0,
                BAR - 3.0,
                LABEL + width + 5.0
            );
            y += BAR;
        }
        y += GAP;
    }
    text.push_str("</svg>\n");
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
