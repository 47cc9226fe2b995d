"""Frames of a capture, and what a forged copy of one needs. Used by replay.py and spoof.py."""
import struct


def frames(path):
    """The frames of a pcap file."""
    data = open(path, "rb").read()
    at = 24
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at + 16 : at + 16 + length]
        at += 16 + length


def checksum(header):
    """The checksum of a 20-octet IPv4 header."""
    total = sum(struct.unpack("!10H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def with_payload(frame, payload, source=None, ports=None):
    """The same Ethernet, IPv4 and UDP headers around another UDP payload, from another source or with other ports if given; the
    UDP checksum is left out (0, RFC 768)."""
    ip = bytearray(frame[14:34])
    if source:
        ip[12:16] = source
    struct.pack_into("!H", ip, 2, 28 + len(payload))
    ip[10:12] = bytes(2)
    struct.pack_into("!H", ip, 10, checksum(bytes(ip)))
    udp = (ports or frame[34:38]) + struct.pack("!HH", 8 + len(payload), 0)
    return frame[:14] + bytes(ip) + udp + payload
