//! What a serial line shows: octets in, lines of plain text out.
//!
//! A model of a terminal as far as line editors and boot programs use one: carriage return, backspace, erasing and moving
//! within the lines of one input. Colours and other escapes are left out. Rows are as long as what was printed, so that a
//! pattern need not know the width of the terminal; only moving up and down takes rows of [`WIDTH`] columns for several, as
//! the editors of the guest do.
//!
//! It does not answer queries, and absolute positions (firmware menus) only begin a new row.

use std::collections::VecDeque;

/// Columns that programs assume of a serial line that tells no size.
pub const WIDTH: usize = 80;
/// Rows kept: some hours of a chatty guest, a few MB. The oldest go.
pub const MAX_ROWS: usize = 50_000;
/// Longest row; what goes on longer is no text, and is cut.
pub const MAX_COLUMNS: usize = 65_536;
/// Longest escape sequence that is believed to be one.
const MAX_SEQUENCE: usize = 64;

/// A place in the text: a row since the beginning, and a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    row: usize,
    column: usize,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    Escape,
    /// Control sequence, with its parameters so far.
    Control(String),
    /// Text for the terminal itself (title and the like), up to BEL or ST; true after an ESC. With its length.
    Text(bool, usize),
    /// One more octet belongs to the escape (character sets).
    One,
}

/// The text of a line and the cursor in it.
#[derive(Debug)]
pub struct Terminal {
    rows: VecDeque<Vec<char>>,
    /// Rows that have gone.
    gone: usize,
    cursor: Place,
    state: State,
    /// Octets of a character that is not complete.
    partial: Vec<u8>,
}

impl Default for Terminal {
    fn default() -> Self {
        Self {
            rows: VecDeque::from([vec![]]),
            gone: 0,
            cursor: Place::default(),
            state: State::Ground,
            partial: vec![],
        }
    }
}

impl Terminal {
    /// Takes what the guest has sent.
    pub fn feed(&mut self, octets: &[u8]) {
        for &octet in octets {
            match octet {
                0x80.. => self.partial_character(octet),
                _ => self.character(char::from(octet)),
            }
        }
    }

    /// The text from `place` on. Rows end in line feeds, the last one does not.
    pub fn text_from(&self, place: Place) -> String {
        let place = self.clamp(place);
        let mut text = String::new();
        for (index, row) in self.rows.iter().enumerate().skip(place.row - self.gone) {
            let first = self.gone + index == place.row;
            let from = if first { place.column } else { 0 };
            if !first {
                text.push('\n');
            }
            text.extend(row.iter().skip(from));
        }
        text
    }

    /// Where one is after the first `octets` of [`Terminal::text_from`] of that place.
    pub fn after(&self, place: Place, octets: usize) -> Place {
        let mut place = self.clamp(place);
        let text = self.text_from(place);
        for c in text.get(..octets).unwrap_or(&text).chars() {
            if c == '\n' {
                place.row += 1;
                place.column = 0;
            } else {
                place.column += 1;
            }
        }
        place
    }

    /// The end of the text.
    pub fn end(&self) -> Place {
        let last = self.rows.len().saturating_sub(1);
        Place {
            row: self.gone + last,
            column: self.rows.get(last).map_or(0, Vec::len),
        }
    }

    /// A place whose row may have gone.
    fn clamp(&self, place: Place) -> Place {
        if place.row >= self.gone {
            return place;
        }
        Place {
            row: self.gone,
            column: 0,
        }
    }

    fn partial_character(&mut self, octet: u8) {
        if octet >= 0xc0 {
            self.partial.clear();
        }
        self.partial.push(octet);
        if let Ok(text) = std::str::from_utf8(&self.partial) {
            let character = text.chars().next();
            self.partial.clear();
            if let Some(character) = character {
                self.character(character);
            }
        } else if self.partial.len() >= 4 {
            self.partial.clear();
        }
    }

    fn character(&mut self, c: char) {
        match std::mem::take(&mut self.state) {
            State::Ground => self.ground(c),
            State::Escape => self.state = self.escape(c),
            State::Control(parameters) => self.state = self.control(parameters, c),
            State::Text(escaped, length) => {
                let ended = c == '\u{7}' || (escaped && c == '\\') || length >= MAX_SEQUENCE * 16;
                if !ended {
                    self.state = State::Text(c == '\u{1b}', length + 1);
                }
            }
            State::One => {}
        }
    }

    fn ground(&mut self, c: char) {
        match c {
            '\u{1b}' => self.state = State::Escape,
            '\r' => self.cursor.column -= self.cursor.column % WIDTH.max(1),
            '\n' => self.line_feed(),
            '\u{8}' => self.cursor.column = self.cursor.column.saturating_sub(1),
            '\t' => {
                let stop = self.cursor.column / 8 * 8 + 8;
                while self.cursor.column < stop.min(MAX_COLUMNS) {
                    self.put(' ');
                }
            }
            c if c.is_control() => {}
            c => self.put(c),
        }
    }

    fn escape(&mut self, c: char) -> State {
        match c {
            '[' => State::Control(String::new()),
            ']' | 'P' | '_' | '^' | 'X' => State::Text(false, 0),
            '(' | ')' | '*' | '+' | '#' | '%' | ' ' => State::One,
            _ => State::Ground,
        }
    }

    fn control(&mut self, mut parameters: String, c: char) -> State {
        if !('\u{40}'..='\u{7e}').contains(&c) {
            parameters.push(c);
            let believed = parameters.len() < MAX_SEQUENCE && !c.is_control();
            return if believed {
                State::Control(parameters)
            } else {
                State::Ground
            };
        }
        let first = parameters.split(';').next().unwrap_or("");
        let count = first.parse::<usize>().ok();
        let steps = count.unwrap_or(1).max(1);
        match c {
            'A' => (0..steps.min(MAX_ROWS)).for_each(|_| self.up()),
            'B' => (0..steps.min(MAX_ROWS)).for_each(|_| self.down()),
            'C' => self.cursor.column = (self.cursor.column + steps).min(MAX_COLUMNS),
            'D' => self.cursor.column = self.cursor.column.saturating_sub(steps),
            'G' => {
                let begin = self.cursor.column - self.cursor.column % WIDTH;
                self.cursor.column = (begin + steps - 1).min(MAX_COLUMNS);
            }
            'K' if count.unwrap_or(0) == 0 => self.erase_line(),
            'J' if count.unwrap_or(0) == 0 => self.erase_below(),
            'H' | 'f' => self.new_row(),
            'P' => self.delete(steps),
            _ => {}
        }
        State::Ground
    }

    fn row(&mut self) -> Option<&mut Vec<char>> {
        self.rows.get_mut(self.cursor.row - self.gone)
    }

    fn put(&mut self, c: char) {
        let column = self.cursor.column;
        if column >= MAX_COLUMNS {
            return;
        }
        self.cursor.column += 1;
        let Some(row) = self.row() else { return };
        if row.len() < column {
            row.resize(column, ' ');
        }
        match row.get_mut(column) {
            Some(place) => *place = c,
            None => row.push(c),
        }
    }

    /// A line feed goes to the next row; the last row gets a new one behind it.
    fn line_feed(&mut self) {
        self.cursor.column = 0;
        self.cursor.row += 1;
        if self.cursor.row - self.gone == self.rows.len() {
            self.rows.push_back(vec![]);
        }
        if self.rows.len() > MAX_ROWS {
            self.rows.pop_front();
            self.gone += 1;
        }
    }

    /// An absolute position: whatever follows is no part of the rows that are there.
    fn new_row(&mut self) {
        self.cursor.row = self.end().row;
        if self.rows.back().is_some_and(|row| !row.is_empty()) {
            self.line_feed();
        }
        self.cursor.column = 0;
    }

    fn up(&mut self) {
        if self.cursor.column >= WIDTH {
            self.cursor.column -= WIDTH;
        } else if self.cursor.row > self.gone {
            self.cursor.row -= 1;
            let length = self.row().map_or(0, |row| row.len());
            self.cursor.column += length.saturating_sub(1) / WIDTH * WIDTH;
        }
    }

    fn down(&mut self) {
        let length = self.row().map_or(0, |row| row.len());
        if self.cursor.column / WIDTH < length.saturating_sub(1) / WIDTH {
            self.cursor.column += WIDTH;
        } else if self.cursor.row < self.end().row {
            self.cursor.row += 1;
            self.cursor.column %= WIDTH;
        }
    }

    fn erase_line(&mut self) {
        let column = self.cursor.column;
        if let Some(row) = self.row() {
            row.truncate(column);
        }
    }

    fn erase_below(&mut self) {
        self.erase_line();
        self.rows.truncate(self.cursor.row - self.gone + 1);
    }

    fn delete(&mut self, count: usize) {
        let column = self.cursor.column;
        if let Some(row) = self.row() {
            let end = row.len().min(column.saturating_add(count));
            if column < end {
                row.drain(column..end);
            }
        }
    }
}

#[cfg(test)]
mod tests;
