#!/usr/bin/env python3
"""send_frames.py IFACE PCAP: sends every frame of a capture on IFACE as it is, and prints how many."""
import socket
import struct
import sys

iface, path = sys.argv[1:]
data = open(path, "rb").read()
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind((iface, 0))
at, count = 24, 0
while at + 16 <= len(data):
    length = struct.unpack_from("<I", data, at + 8)[0]
    raw.send(data[at + 16 : at + 16 + length])
    at += 16 + length
    count += 1
print(count)
