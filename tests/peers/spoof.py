#!/usr/bin/env python3
"""spoof.py IFACE SOURCE MODE PCAP: sends UDP-encapsulated frames of a capture to the gateway as if SOURCE (port 4500) had sent them.

MODE: esp (authentic, seen before) | forged-esp (sequence raised, so that the ICV is wrong) | ike (authentic, seen before) |
forged-ike (message ID raised, so that the integrity check fails).
"""
import socket
import struct
import sys

from frames import frames, with_payload

iface, source, mode, path = sys.argv[1:]
GATEWAY = socket.inet_aton("192.0.2.1")
NATT = b"\x11\x94"


def to_gateway(frame):
    return (
        frame[12:14] == b"\x08\x00"
        and frame[23] == 17
        and frame[30:34] == GATEWAY
        and frame[36:38] == NATT
        and len(frame) > 60
    )


def spoofed(frame):
    payload = bytearray(frame[42:])
    if mode == "forged-esp":
        struct.pack_into("!I", payload, 4, struct.unpack_from("!I", payload, 4)[0] + 100000)
    elif mode == "forged-ike":
        struct.pack_into("!I", payload, 4 + 20, struct.unpack_from("!I", payload, 4 + 20)[0] + 1)
    return with_payload(frame, bytes(payload), socket.inet_aton(source), NATT + NATT)


raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind((iface, 0))
count = 0
for frame in frames(path):
    if to_gateway(frame) and mode.endswith("ike") == (frame[42:46] == bytes(4)):
        raw.send(spoofed(frame))
        count += 1
print(count)
