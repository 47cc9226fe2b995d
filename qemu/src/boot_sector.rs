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

/// Does a little of all that a kernel does, then ends QEMU with `answer`: waits for `ticks` of the timer (55 ms each), with
/// interrupts and a halted processor; makes page tables, goes to 64 bits; writes ten thousand times to a port.
pub fn exit(ticks: u8, answer: u8) -> [u8; SECTOR_OCTETS] {
    let mut code = vec![
        0x31, 0xc0, // xor ax, ax
        0x8e, 0xd8, // mov ds, ax
        0x8e, 0xc0, // mov es, ax
        0xfb, // sti
        0xb9, ticks, 0x00, // mov cx, ticks
        0xa1, 0x6c, 0x04, // again: mov ax, [0x46c], the timer's count
        0xf4, // wait: hlt
        0x3b, 0x06, 0x6c, 0x04, // cmp ax, [0x46c]
        0x74, 0xf9, // je wait
        0xe2, 0xf4, // loop again
        0xfa, // cli
        0xbf, 0x00, 0x10, // mov di, 0x1000, the tables
        0xb9, 0x00, 0x0c, // mov cx, 0xc00
        0x66, 0x31, 0xc0, // xor eax, eax
        0xf3, 0x66, 0xab, // rep stosd
        0xc7, 0x06, 0x00, 0x10, 0x03, 0x20, // mov word [0x1000], 0x2003
        0xc7, 0x06, 0x00, 0x20, 0x03, 0x30, // mov word [0x2000], 0x3003
        0xc7, 0x06, 0x00, 0x30, 0x83, 0x00, // mov word [0x3000], 0x0083: 2 MB, as they are
        0x0f, 0x20, 0xe0, // mov eax, cr4
        0x66, 0x83, 0xc8, 0x20, // or eax, PAE
        0x0f, 0x22, 0xe0, // mov cr4, eax
        0x66, 0xb8, 0x00, 0x10, 0x00, 0x00, // mov eax, 0x1000
        0x0f, 0x22, 0xd8, // mov cr3, eax
        0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0, // mov ecx, EFER
        0x0f, 0x32, // rdmsr
        0x66, 0x0d, 0x00, 0x01, 0x00, 0x00, // or eax, LME
        0x0f, 0x30, // wrmsr
    ];
    // Behind what follows: descriptors for 64 bits of code.
    let far = code.len() + 17;
    let table = far + 5 + 14;
    code.extend([0x0f, 0x01, 0x16]); // lgdt [pointer]
    code.extend(address(table));
    code.extend([0x0f, 0x20, 0xc0]); // mov eax, cr0
    code.extend([0x66, 0x0d, 0x01, 0x00, 0x00, 0x80]); // or eax, PG and PE
    code.extend([0x0f, 0x22, 0xc0]); // mov cr0, eax
    code.push(0xea); // jmp 8:next
    code.extend(address(far + 5));
    code.extend([0x08, 0x00]);
    code.extend([0xb9, 0x10, 0x27, 0x00, 0x00]); // mov ecx, 10000
    code.extend([0xe6, 0x80, 0xe2, 0xfc]); // port: out 0x80, al; loop port
    code.extend([0xb0, answer, 0xe6, DEBUG_EXIT_PORT, 0xf4]); // mov al, answer; out; hlt
    code.extend([0x0f, 0x00]); // pointer: 16 octets
    code.extend(address(table + 6));
    code.extend([0x00, 0x00]);
    code.extend([0; 8]);
    code.extend([0x00, 0x00, 0x00, 0x00, 0x00, 0x9a, 0x20, 0x00]);
    sector(&code)
}

/// Where an octet of the sector is in memory.
fn address(offset: usize) -> [u8; 2] {
    u16::try_from(0x7c00 + offset).unwrap_or(0).to_le_bytes()
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
    let greeted = address(code.len());
    code.splice(5..7, greeted);
    code.extend(greeting.bytes());
    code.push(0);
    sector(&code)
}

#[cfg(test)]
mod tests;
