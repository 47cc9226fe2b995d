#!/usr/bin/env python3
"""replay.py IFACE MODE PCAP: sends the eNodeB's ESP-in-UDP frames of a capture again.

MODE: replay (as they are) | forge (sequence raised past the window's reach, so that the ICV is wrong) |
spi (another SPI) | cut (shorter than an ESP header).
"""
import socket
import struct
import sys

from frames import frames, with_payload

iface, mode, path = sys.argv[1:]
ENB = socket.inet_aton("192.0.2.10")


def is_esp(frame):
    return (
        frame[12:14] == b"\x08\x00"
        and frame[23] == 17
        and frame[26:30] == ENB
        and frame[36:38] == b"\x11\x94"
        and len(frame) > 60
        and frame[42:46] != bytes(4)
    )


def damage(frame):
    esp = bytearray(frame[42:])
    if mode == "forge":
        struct.pack_into("!I", esp, 4, struct.unpack_from("!I", esp, 4)[0] + 100000)
    elif mode == "spi":
        esp[0] ^= 0x3F
    elif mode == "cut":
        esp = esp[:7]
    return with_payload(frame, bytes(esp))


raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind((iface, 0))
count = 0
for frame in frames(path):
    if is_esp(frame):
        raw.send(damage(frame))
        count += 1
print(count)
