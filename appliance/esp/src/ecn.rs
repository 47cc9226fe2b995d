//! ECN across the tunnel (RFC 6040, compatible with RFC 4301 section 5.1.2).

const NOT_ECT: u8 = 0;
const ECT_1: u8 = 1;
const CE: u8 = 3;

/// What decapsulation does to the inner header's ECN field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It stays.
    Keep,
    /// It becomes this value.
    Set(u8),
    /// The packet must be dropped: congestion was signalled, and the transport cannot hear it.
    Drop,
}

/// RFC 6040 section 4.2, figure 4. Both arguments are the whole TOS or traffic-class octets.
#[inline]
pub fn decapsulate(outer: u8, inner: u8) -> Decision {
    match (outer & 3, inner & 3) {
        (CE, NOT_ECT) => Decision::Drop,
        (CE, inner) if inner != CE => Decision::Set(CE),
        (ECT_1, inner) if inner != NOT_ECT && inner != CE && inner != ECT_1 => Decision::Set(ECT_1),
        _ => Decision::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_rfc6040_figure_4() {
        // Rows: inner Not-ECT, ECT(0), ECT(1), CE. Columns: outer Not-ECT, ECT(0), ECT(1), CE. 9 = drop.
        let table = [
            (0, [0, 0, 0, 9]),
            (2, [2, 2, 1, 3]),
            (1, [1, 1, 1, 3]),
            (3, [3, 3, 3, 3]),
        ];
        for (inner, row) in table {
            for (outer, wanted) in [0u8, 2, 1, 3].into_iter().zip(row) {
                let got = match decapsulate(0xb8 | outer, 0x28 | inner) {
                    Decision::Keep => inner,
                    Decision::Set(value) => value,
                    Decision::Drop => 9,
                };
                assert_eq!(got, wanted, "outer {outer} inner {inner}");
            }
        }
    }
}
