#!/usr/bin/env python3
"""replay.py IFACE MODE PCAP: sends the eNodeB's ESP-in-UDP frames of a capture again.

MODE: replay (as they are) | forge (sequence raised past the window's reach, so that the ICV is wrong) |
spi (another SPI) | cut (shorter than an ESP header).
"""
import socket
import struct
import sys

iface, mode, path = sys.argv[1:]
ENB = socket.inet_aton("192.0.2.10")


def frames(path):
    data = open(path, "rb").read()
    at = 24
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at + 16 : at + 16 + length]
        at += 16 + length


def is_esp(frame):
    return (
        frame[12:14] == b"\x08\x00"
        and frame[23] == 17
        and frame[26:30] == ENB
        and frame[36:38] == b"\x11\x94"
        and len(frame) > 60
        and frame[42:46] != bytes(4)
    )


def checksum(header):
    total = sum(struct.unpack("!10H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def resize(frame, payload):
    """The same headers around another UDP payload; the UDP checksum is left out (0)."""
    ip = bytearray(frame[14:34])
    struct.pack_into("!H", ip, 2, 28 + len(payload))
    ip[10:12] = bytes(2)
    struct.pack_into("!H", ip, 10, checksum(bytes(ip)))
    udp = frame[34:38] + struct.pack("!HH", 8 + len(payload), 0)
    return frame[:14] + bytes(ip) + udp + payload


def damage(frame):
    esp = bytearray(frame[42:])
    if mode == "forge":
        struct.pack_into("!I", esp, 4, struct.unpack_from("!I", esp, 4)[0] + 100000)
    elif mode == "spi":
        esp[0] ^= 0x3F
    elif mode == "cut":
        esp = esp[:7]
    return resize(frame, bytes(esp))


raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind((iface, 0))
count = 0
for frame in frames(path):
    if is_esp(frame):
        raw.send(damage(frame))
        count += 1
print(count)
