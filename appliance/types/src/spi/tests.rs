//! The SPI layout.

use super::*;

#[test]
fn parts_come_back() {
    for (node, slot, tag) in [(0, 0, 256), (3, SPI_SLOTS - 1, 4095), (1, 77, 0), (2, 1, 1)] {
        let spi = Spi::compose(NodeId::new(node).unwrap(), slot, tag).unwrap();
        assert_eq!((spi.node().get(), spi.slot(), spi.tag()), (node, slot, tag));
    }
}

#[test]
fn reserved_and_oversized_are_refused() {
    let node = NodeId::new(0).unwrap();
    assert_eq!(Spi::compose(node, 0, 255), None);
    assert_eq!(Spi::compose(node, SPI_SLOTS, 0), None);
    assert_eq!(Spi::compose(node, 1, 4096), None);
}
