//! Guests of 512 octets, for what needs a guest but no image: machine code that a BIOS loads from the first disk.
//!
//! 16-bit real mode; the code is loaded at 0x7c00 and may do as it likes.

/// Octets of a sector.
pub const SECTOR_OCTETS: usize = 512;
/// Where [`exit`] writes its answer: QEMU's `isa-debug-exit`, which ends QEMU with status `2 * answer + 1`.
pub const DEBUG_EXIT_PORT: u8 = 0xf4;

/// A boot sector with that code; the rest is zero and the mark at the end. Longer code is cut.
pub fn sector(code: &[u8]) -> [u8; SECTOR_OCTETS] {
    let mut sector = [0; SECTOR_OCTETS];
    let room = sector.iter_mut().take(SECTOR_OCTETS - 2);
    for (place, octet) in room.zip(code) {
        *place = *octet;
    }
    sector[SECTOR_OCTETS - 2] = 0x55;
    sector[SECTOR_OCTETS - 1] = 0xaa;
    sector
}

/// Waits for `ticks` of the timer (55 ms each), which takes interrupts and a halted processor, then ends QEMU with `answer`.
pub fn exit(ticks: u8, answer: u8) -> [u8; SECTOR_OCTETS] {
    sector(&[
        0x31,
        0xc0, // xor ax, ax
        0x8e,
        0xd8, // mov ds, ax
        0xfb, // sti
        0xb9,
        ticks,
        0x00, // mov cx, ticks
        0xa1,
        0x6c,
        0x04, // again: mov ax, [0x46c], the timer's count
        0xf4, // wait: hlt
        0x3b,
        0x06,
        0x6c,
        0x04, // cmp ax, [0x46c]
        0x74,
        0xf9, // je wait
        0xe2,
        0xf4, // loop again
        0xb0,
        answer, // mov al, answer
        0xe6,
        DEBUG_EXIT_PORT, // out port, al
        0xf4,            // hlt
    ])
}

/// Prints `greeting` on the first serial port, then gives back what it gets there, letters in capitals.
pub fn serial_echo(greeting: &str) -> [u8; SECTOR_OCTETS] {
    let mut code = vec![
        0x31, 0xc0, // xor ax, ax
        0x8e, 0xd8, // mov ds, ax
        0xbe, 0x00, 0x00, // mov si, greeting (set below)
        0xac, // next: lodsb
        0x84, 0xc0, // test al, al
        0x74, 0x05, // jz echo
        0xe8, 0x19, 0x00, // call put
        0xeb, 0xf6, // jmp next
        0xba, 0xfd, 0x03, // echo: mov dx, line status
        0xec, // in al, dx
        0xa8, 0x01, // test al, received
        0x74, 0xf8, // jz echo
        0xba, 0xf8, 0x03, // mov dx, data
        0xec, // in al, dx
        0x3c, 0x61, // cmp al, 'a'
        0x72, 0x02, // jb same
        0x24, 0xdf, // and al, capital
        0xe8, 0x02, 0x00, // same: call put
        0xeb, 0xe9, // jmp echo
        0x88, 0xc4, // put: mov ah, al
        0xba, 0xfd, 0x03, // free: mov dx, line status
        0xec, // in al, dx
        0xa8, 0x20, // test al, empty
        0x74, 0xf8, // jz free
        0xba, 0xf8, 0x03, // mov dx, data
        0x88, 0xe0, // mov al, ah
        0xee, // out dx, al
        0xc3, // ret
    ];
    // The address in `mov si` is where the greeting begins.
    if let Ok(at) = u16::try_from(0x7c00 + code.len()) {
        code.splice(5..7, at.to_le_bytes());
    }
    code.extend(greeting.bytes());
    code.push(0);
    sector(&code)
}

#[cfg(test)]
mod tests;
