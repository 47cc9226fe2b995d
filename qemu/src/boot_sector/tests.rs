use super::{SECTOR_OCTETS, exit, sector, serial_echo};

#[test]
fn a_sector_ends_in_its_mark() {
    let long = sector(&[0x90; 600]);
    assert_eq!(long.len(), SECTOR_OCTETS);
    assert_eq!(long[509..], [0x90, 0x55, 0xaa]);
    assert_eq!(sector(&[1])[..3], [1, 0, 0]);
}

#[test]
fn answers_and_texts_are_in_the_code() {
    let exit = exit(3, 0x2a);
    assert!(exit.windows(2).any(|pair| pair == [0xb0, 0x2a]));
    // lgdt has the address of the pointer, which has that of the table behind it.
    let lgdt = exit
        .windows(3)
        .position(|three| three == [0x0f, 0x01, 0x16]);
    let at =
        |offset: usize| usize::from(u16::from_le_bytes([exit[offset], exit[offset + 1]])) - 0x7c00;
    let pointer = at(lgdt.unwrap() + 3);
    assert_eq!(exit[pointer..pointer + 2], [15, 0]);
    assert_eq!(at(pointer + 2), pointer + 6);
    let echo = serial_echo("hello");
    let at = usize::from(u16::from_le_bytes([echo[5], echo[6]])) - 0x7c00;
    assert_eq!(&echo[at..at + 6], b"hello\0");
}
