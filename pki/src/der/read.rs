//! Reads DER, element by element: definite lengths in the least octets, tags of one octet. `None` is everything else.

/// What is left of a row of elements.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The content of the next element, which has this tag.
    pub fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next(tag).map(|(_, content)| content)
    }

    /// The next element with its tag and length.
    pub fn whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next(tag).map(|(whole, _)| whole)
    }

    /// The elements in the next element.
    pub fn inside(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.element(tag).map(Reader::new)
    }

    /// The content of the next element if it has this tag; `Some(None)` when there is another one or none.
    pub fn optional(&mut self, tag: u8) -> Option<Option<&'a [u8]>> {
        match self.rest.first() {
            Some(first) if *first == tag => self.element(tag).map(Some),
            _ => Some(None),
        }
    }

    /// Nothing is left.
    pub fn end(self) -> Option<()> {
        self.rest.is_empty().then_some(())
    }

    fn next(&mut self, tag: u8) -> Option<(&'a [u8], &'a [u8])> {
        let (&[first, length], after) = self.rest.split_first_chunk::<2>()?;
        if first != tag {
            return None;
        }
        let (length, after) = match length {
            0..=0x7f => (usize::from(length), after),
            0x81..=0x84 => {
                let (octets, after) = after.split_at_checked(usize::from(length & 0x7f))?;
                let length = octets.iter().fold(0, |n, o| n << 8 | usize::from(*o));
                // The least octets: no leading zero, and the long form only when it is needed.
                if octets.first() == Some(&0) || length < 0x80 {
                    return None;
                }
                (length, after)
            }
            _ => return None,
        };
        let (content, rest) = after.split_at_checked(length)?;
        let whole = &self.rest[..self.rest.len() - rest.len()];
        self.rest = rest;
        Some((whole, content))
    }
}

#[cfg(test)]
mod tests;
