"""Reads a pcapng file with scapy and prints a line per packet: interface, direction (1 in, 2 out), addresses, protocol, SPI and sequence
number of ESP (in UDP too) or dashes, and the comment.

usage: read_pcapng.py FILE
"""
import sys

from scapy.layers.inet import IP
from scapy.layers.ipsec import ESP
from scapy.layers.l2 import Ether
from scapy.utils import RawPcapNgReader

LINKTYPE_ETHERNET = 1

with RawPcapNgReader(sys.argv[1]) as reader:
    for data, about in reader:
        packet = Ether(data) if about.linktype == LINKTYPE_ETHERNET else IP(data)
        ip = packet[IP]
        esp = packet.getlayer(ESP)
        number = (f"0x{esp.spi:08x}", esp.seq) if esp else ("-", "-")
        comments = getattr(about, "comments", None) or [getattr(about, "comment", None) or b""]
        comment = comments[0].decode()
        name = about.ifname.decode()
        print(name, about.direction, ip.src, ip.dst, ip.proto, *number, comment)
