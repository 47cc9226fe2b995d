//! A checked reader over untrusted octets; each failure carries the payload and the absolute offset.

use super::{ParseError, ParseErrorKind, PayloadType};

pub(super) struct Reader<'a> {
    buf: &'a [u8],
    pos: usize,
    base: usize,
    payload: PayloadType,
}

impl<'a> Reader<'a> {
    /// `base` is the offset of `buf` in the message.
    pub(super) fn new(buf: &'a [u8], base: usize, payload: PayloadType) -> Self {
        Reader {
            buf,
            pos: 0,
            base,
            payload,
        }
    }

    pub(super) fn error(&self, kind: ParseErrorKind) -> ParseError {
        ParseError {
            payload: self.payload,
            offset: self.base + self.pos,
            kind,
        }
    }

    pub(super) fn offset(&self) -> usize {
        self.base + self.pos
    }

    pub(super) fn left(&self) -> usize {
        self.buf.len() - self.pos
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], ParseError> {
        let Some(part) = self
            .pos
            .checked_add(count)
            .and_then(|end| self.buf.get(self.pos..end))
        else {
            return Err(self.error(ParseErrorKind::Truncated));
        };
        self.pos += count;
        Ok(part)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ParseError> {
        let part = self.bytes(N)?;
        let mut out = [0u8; N];
        out.copy_from_slice(part);
        Ok(out)
    }

    pub(super) fn u8(&mut self) -> Result<u8, ParseError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, ParseError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, ParseError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, ParseError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        let part = self.buf.get(self.pos..).unwrap_or(&[]);
        self.pos = self.buf.len();
        part
    }

    pub(super) fn end(&self) -> Result<(), ParseError> {
        if self.left() == 0 {
            Ok(())
        } else {
            Err(self.error(ParseErrorKind::Trailing))
        }
    }

    /// A reader of the next `count` octets only.
    pub(super) fn sub(&mut self, count: usize) -> Result<Reader<'a>, ParseError> {
        let base = self.offset();
        let buf = self.bytes(count)?;
        Ok(Reader {
            buf,
            pos: 0,
            base,
            payload: self.payload,
        })
    }
}

/// Writes `len` as a 16-bit field. Callers build structures that fit: everything emitted is bounded by a datagram.
pub(super) fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
}
