//! The filter of `monitor traffic`, in the common words of pcap: `host`, `net`, `port`, `proto` with `src` or `dst` before them,
//! names of protocols, `esp`, `spi`, `and`, `or`, `not` and parentheses.
//!
//! As in pcap, `not` binds most tightly, and `and` and `or` bind alike, from left to right. A name of a protocol may stand before
//! another test without `and`: `udp port 4500`, `esp spi 0x1000`.

use crate::CommandError;
use crate::command::Word;
use ravelin_ctl::capture::{End, Filter, MAX_FILTER_STEPS, Step, Test};
use ravelin_types::{Prefix, Spi};
use std::net::IpAddr;

/// What may stand where a test is expected.
const TESTS: &str = "host, net, port, src, dst, proto, ip, ip6, arp, tcp, udp, icmp, icmp6, sctp, \
                     esp, ah, spi, not, (";
/// Words of a filter: a test has three at most, and an operator and a parenthesis may stand by it.
const MAX_WORDS: usize = 5 * MAX_FILTER_STEPS;
/// Names of protocols, with their numbers.
const PROTOCOLS: &[(&str, u8)] = &[
    ("icmp", 1),
    ("tcp", 6),
    ("udp", 17),
    ("ah", 51),
    ("icmp6", 58),
    ("sctp", 132),
];

/// Reads a filter.
///
/// # Errors
/// Which word is wrong, and what may stand there.
pub(super) fn parse(word: &Word) -> Result<Filter, CommandError> {
    let words = words(word);
    let end = word.at + word.text.len();
    let mut parser = Parser {
        words: &words,
        next: 0,
        end,
        steps: Vec::new(),
    };
    if let Some(last) = words.get(MAX_WORDS) {
        return Err(too_long(last));
    }
    parser.expression()?;
    if let Some(word) = parser.peek() {
        return Err(unknown(word, "and, or"));
    }
    let filter = Filter(parser.steps);
    match words.last() {
        Some(last) if !filter.is_sound() => Err(too_long(last)),
        _ => Ok(filter),
    }
}

/// The words of the filter with their places in the line. Signs end a word: each of `(`, `)` and `!` is one, `&&` and `||` are.
fn words(word: &Word) -> Vec<Word> {
    // A filter of several words was in quotes.
    let quote = usize::from(word.text.contains(char::is_whitespace));
    let mut words: Vec<Word> = Vec::new();
    let mut before = ' ';
    for (at, c) in word.text.char_indices() {
        let sign = |c: char| "&|".contains(c);
        let alone = |c: char| "()!".contains(c) || c.is_whitespace();
        let joined = !alone(before) && sign(before) == sign(c) && !alone(c);
        match words.last_mut() {
            _ if c.is_whitespace() => {}
            Some(last) if joined => last.text.push(c),
            _ => words.push(Word {
                text: c.to_string(),
                at: word.at + quote + at,
            }),
        }
        before = c;
    }
    words
}

fn too_long(word: &Word) -> CommandError {
    CommandError::Value {
        word: word.text.clone(),
        at: word.at,
        wanted: "read: the filter is too long",
    }
}

fn unknown(word: &Word, expected: &str) -> CommandError {
    CommandError::Unknown {
        word: word.text.clone(),
        at: word.at,
        expected: expected.split(", ").map(str::to_owned).collect(),
    }
}

struct Parser<'a> {
    words: &'a [Word],
    next: usize,
    /// Where the filter ends in the line.
    end: usize,
    steps: Vec<Step>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Word> {
        self.words.get(self.next)
    }

    /// The next word, which is there, or what was expected.
    fn take(&mut self, expected: &str) -> Result<&'a Word, CommandError> {
        let word = self.peek().ok_or_else(|| CommandError::Incomplete {
            at: self.end,
            expected: expected.split(", ").map(str::to_owned).collect(),
        })?;
        self.next += 1;
        Ok(word)
    }

    /// Takes the next word if it is this one.
    fn accept(&mut self, texts: &[&str]) -> bool {
        let is = self
            .peek()
            .is_some_and(|w| texts.contains(&w.text.as_str()));
        self.next += usize::from(is);
        is
    }

    fn expression(&mut self) -> Result<(), CommandError> {
        self.operand()?;
        loop {
            let step = if self.accept(&["and", "&&"]) {
                Step::And
            } else if self.accept(&["or", "||"]) {
                Step::Or
            } else {
                return Ok(());
            };
            self.operand()?;
            self.steps.push(step);
        }
    }

    fn operand(&mut self) -> Result<(), CommandError> {
        let mut negated = false;
        while self.accept(&["not", "!"]) {
            negated = !negated;
        }
        if self.accept(&["("]) {
            self.expression()?;
            let closing = self.take(")")?;
            if closing.text != ")" {
                return Err(unknown(closing, "and, or, )"));
            }
        } else {
            self.test()?;
        }
        if negated {
            self.steps.push(Step::Not);
        }
        Ok(())
    }

    /// A test, and those that it qualifies.
    fn test(&mut self) -> Result<(), CommandError> {
        let word = self.take(TESTS)?;
        let name = word.text.as_str();
        let number = PROTOCOLS.iter().find(|(known, _)| *known == name);
        let qualifier = match (name, number) {
            ("ip", _) => Some(Test::Ipv4),
            ("ip6", _) => Some(Test::Ipv6),
            ("arp", _) => Some(Test::Arp),
            ("esp", _) => Some(Test::Esp),
            (_, Some((_, number))) => Some(Test::Protocol(*number)),
            _ => None,
        };
        let Some(qualifier) = qualifier else {
            let test = self.plain(word)?;
            self.steps.push(Step::Test(test));
            return Ok(());
        };
        // `esp spi` also means the inner packets that came under this SPI.
        let of_spi = qualifier == Test::Esp && self.peek().is_some_and(|w| w.text == "spi");
        let ahead = ["host", "net", "port", "src", "dst", "proto", "spi"];
        let qualified = self
            .peek()
            .is_some_and(|w| ahead.contains(&w.text.as_str()));
        if !of_spi {
            self.steps.push(Step::Test(qualifier));
        }
        if qualified {
            self.test()?;
            if !of_spi {
                self.steps.push(Step::And);
            }
        }
        Ok(())
    }

    fn plain(&mut self, word: &Word) -> Result<Test, CommandError> {
        let (end, kind) = match word.text.as_str() {
            "src" => (End::Source, self.take("host, net, port")?),
            "dst" => (End::Destination, self.take("host, net, port")?),
            _ => (End::Either, word),
        };
        Ok(match kind.text.as_str() {
            "host" => Test::Net(end, Prefix::host(self.value("an IP address")?)),
            "net" => Test::Net(end, self.value("a prefix, without bits behind its length")?),
            "port" => Test::Port(end, self.value("a port")?),
            "proto" if end == End::Either => self.protocol()?,
            "spi" if end == End::Either => {
                let value = self.take("an SPI")?;
                Test::Spi(spi(value)?)
            }
            // `src 10.1.0.1` is short for `src host 10.1.0.1`.
            text if end != End::Either => match text.parse::<IpAddr>() {
                Ok(address) => Test::Net(end, Prefix::host(address)),
                Err(_) => return Err(unknown(kind, "host, net, port, an IP address")),
            },
            _ => return Err(unknown(kind, TESTS)),
        })
    }

    fn protocol(&mut self) -> Result<Test, CommandError> {
        let value = self.take("a protocol")?;
        let text = value.text.as_str();
        let named = PROTOCOLS.iter().find(|(known, _)| *known == text);
        match (text, named, text.parse()) {
            ("esp", ..) => Ok(Test::Esp),
            (_, Some((_, number)), _) => Ok(Test::Protocol(*number)),
            (_, _, Ok(number)) => Ok(Test::Protocol(number)),
            _ => Err(wrong(value, "a protocol")),
        }
    }

    fn value<T: std::str::FromStr>(&mut self, wanted: &'static str) -> Result<T, CommandError> {
        let word = self.take(wanted)?;
        word.text.parse().map_err(|_| wrong(word, wanted))
    }
}

fn wrong(word: &Word, wanted: &'static str) -> CommandError {
    CommandError::Value {
        word: word.text.clone(),
        at: word.at,
        wanted,
    }
}

fn spi(word: &Word) -> Result<Spi, CommandError> {
    let number = match word.text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => word.text.parse(),
    };
    number
        .map(Spi)
        .map_err(|_| wrong(word, "an SPI, like 0xc0000001"))
}

#[cfg(test)]
mod tests;
