use super::{MAX_COLUMNS, MAX_ROWS, Place, Terminal, WIDTH};

fn shown(octets: &str) -> String {
    let mut terminal = Terminal::default();
    terminal.feed(octets.as_bytes());
    terminal.text_from(Place::default())
}

#[test]
fn lines_are_as_printed() {
    assert_eq!(shown("a\r\nb c\r\n"), "a\nb c\n");
    assert_eq!(shown("a\tb"), "a       b");
    assert_eq!(shown("grün €\r\n"), "grün €\n");
}

#[test]
fn colours_titles_and_queries_are_left_out() {
    assert_eq!(shown("\x1b[0;32m  OK  \x1b[0m] x"), "  OK  ] x");
    assert_eq!(
        shown("\x1b]0;title\x07a\x1b]11;?\x1b\\b\x1b(Bc\x1b[?2004hd\x1b[6ne"),
        "abcde"
    );
}

#[test]
fn what_is_overwritten_is_gone() {
    assert_eq!(shown("10%\r20%\r\n"), "20%\n");
    assert_eq!(shown("abd\x08c\r\n"), "abc\n");
    assert_eq!(shown("> sho\r\x1b[K> show\x1b[6D\x1b[6C"), "> show");
    assert_eq!(shown("abcdef\r\x1b[2C\x1b[2P"), "abef");
}

#[test]
fn an_editor_redraws_an_input_longer_than_the_screen() {
    // As rustyline does: down to the last row, erase upwards, print again.
    let long = "x".repeat(WIDTH + 10);
    let redraw = format!("{long}\r\x1b[K\x1b[A\r\x1b[K{long}y");
    assert_eq!(shown(&redraw), format!("{long}y"));
    let second = format!("first\r\n{long}\r\x1b[K\x1b[A\r\x1b[Kshort\x1b[J");
    assert_eq!(shown(&second), "first\nshort");
}

#[test]
fn moving_between_rows() {
    assert_eq!(
        shown("one\r\ntwo\x1b[A\rO\x1b[B\rT\r\nthree"),
        "One\nTwo\nthree"
    );
    assert_eq!(shown("\x1b[A\x1b[A\x1b[Da"), "a");
    assert_eq!(shown("a\x1b[Bb"), "ab");
}

#[test]
fn an_absolute_position_begins_a_row() {
    assert_eq!(shown("\x1b[2J\x1b[01;01Ha\x1b[05;10Hb"), "a\nb");
}

#[test]
fn broken_octets_do_no_harm() {
    let mut terminal = Terminal::default();
    terminal.feed(&[
        0xff, 0xc3, b'a', 0xc3, 0xa9, 0x80, 0x80, 0x80, 0x80, 0x80, b'b',
    ]);
    assert_eq!(terminal.text_from(Place::default()), "aéb");
    let mut endless = Terminal::default();
    endless.feed(format!("\x1b[{}mz", "1".repeat(200)).as_bytes());
    assert!(endless.text_from(Place::default()).ends_with("mz"));
    let mut title = Terminal::default();
    title.feed(format!("\x1b]0;{}z", "t".repeat(5000)).as_bytes());
    assert!(title.text_from(Place::default()).ends_with('z'));
}

#[test]
fn places_follow_the_text() {
    let mut terminal = Terminal::default();
    terminal.feed(b"first line\r\nse\xc3\xa9cond ");
    let begin = Place::default();
    let text = terminal.text_from(begin);
    let at = text.find("cond").unwrap();
    let place = terminal.after(begin, at);
    assert_eq!(terminal.text_from(place), "cond ");
    terminal.feed(b"\rse\xc3\xa9cond more");
    assert_eq!(terminal.text_from(place), "cond more");
    assert_eq!(terminal.text_from(terminal.end()), "");
}

#[test]
fn the_oldest_rows_go() {
    let mut terminal = Terminal::default();
    for row in 0..MAX_ROWS + 10 {
        terminal.feed(format!("{row}\r\n").as_bytes());
    }
    let text = terminal.text_from(Place::default());
    assert_eq!(text.lines().next(), Some("11"));
    terminal.feed(b"x\x1b[A\x1b[Ay");
    terminal.feed(&vec![b'z'; MAX_COLUMNS + 10]);
    assert!(terminal.text_from(Place::default()).lines().count() <= MAX_ROWS);
}
