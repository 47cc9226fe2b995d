#!/usr/bin/env python3
"""esp_peer.py IFACE OUTER_LOCAL OUTER_REMOTE INNER_LOCAL INNER_REMOTE OUT_SPI IN_SPI OUT_KEY IN_KEY COUNT CIPHER AUTH AUTH_OCTETS ESN PROTOCOL [FIRST]

A peer of native ESP (protocol 50) or AH (51) made of scapy, with its names of algorithms: pings INNER_REMOTE through the gateway OUTER_REMOTE COUNT
times, one at a time, and fails at the first one whose correct answer does not come back protected, saying which. With inner addresses that
are the outer ones the SAs are in transport mode. Keys are hexadecimal: cipher key, salt, then AUTH_OCTETS of the integrity key. ESN is 1
with extended sequence numbers, PROTOCOL is esp or ah, which has no cipher. The packets' sequence
numbers begin at FIRST, or 1.
"""
import select
import sys
import time

from scapy.all import (ICMP, IP, Ether, ICMPv6EchoReply, ICMPv6EchoRequest, IPv6, Raw, conf, getmacbyip, getmacbyip6, sendp)
from scapy.layers.ipsec import AH, ESP, SecurityAssociation

conf.verb = 0
iface, outer_local, outer_remote, inner_local, inner_remote = sys.argv[1:6]
out_spi, in_spi = int(sys.argv[6], 0), int(sys.argv[7], 0)
out_key, in_key = bytes.fromhex(sys.argv[8]), bytes.fromhex(sys.argv[9])
count = int(sys.argv[10])
cipher, auth, auth_octets, extended = sys.argv[11], sys.argv[12], int(sys.argv[13]), sys.argv[14] == "1"
protocol = AH if sys.argv[15] == "ah" else ESP
first = int(sys.argv[16]) if len(sys.argv) > 16 else 1
TIMEOUT_S = 3


def header(source, destination):
    return (IPv6 if ":" in source else IP)(src=source, dst=destination)


def association(spi, key, source, destination):
    cipher_key, auth_key = key[: len(key) - auth_octets], key[len(key) - auth_octets :]
    return SecurityAssociation(
        protocol,
        spi=spi,
        seq_num=first,
        crypt_algo=cipher if protocol is ESP else None,
        crypt_key=cipher_key if protocol is ESP else None,
        auth_algo=auth,
        auth_key=auth_key or None,
        tunnel_header=None if inner_local == outer_local else header(source, destination),
        esn_en=extended,
    )


def request(sequence):
    inner = header(inner_local, inner_remote)
    echo = ICMPv6EchoRequest(id=7, seq=sequence) if ":" in inner_local else ICMP(id=7, seq=sequence)
    return inner / echo / Raw(b"x" * (16 + sequence))


def is_reply(packet, sequence):
    kind = ICMPv6EchoReply if ":" in inner_local else ICMP
    return kind in packet and packet[kind].seq == sequence and packet[kind].type in (0, 129) and packet.src == inner_remote


def is_answered(sequence):
    deadline = time.monotonic() + TIMEOUT_S
    while (left := deadline - time.monotonic()) > 0 and select.select([socket], [], [], left)[0]:
        packet = socket.recv()
        if packet is None or protocol not in packet or packet[protocol].spi != in_spi:
            continue
        # Of AH in tunnel mode, scapy leaves octets.
        if is_reply(type(header(inner_remote, inner_local))(bytes(in_sa.decrypt(packet[layer]))), sequence):
            return True
    return False


def fail(what):
    esn = " with extended sequence numbers" if extended else ""
    sys.exit(
        f"{what}: {sys.argv[15]} {cipher} {auth}{esn}, "
        f"outer {outer_local} to {outer_remote}, inner {inner_local} to {inner_remote}"
    )


out_sa = association(out_spi, out_key, outer_local, outer_remote)
in_sa = association(in_spi, in_key, outer_remote, outer_local)
layer = IPv6 if ":" in outer_local else IP
socket = conf.L2socket(iface=iface, filter="ip proto 50 or ip6 proto 50 or ip proto 51 or ip6 proto 51")
resolve = getmacbyip6 if ":" in outer_local else getmacbyip
# It asks once; on a busy machine the answer may be late.
mac = next(filter(None, (resolve(outer_remote) for _ in range(3))), None)
if mac is None:
    fail(f"{outer_remote} has no MAC address")
for sequence in range(1, count + 1):
    sendp(Ether(dst=mac) / out_sa.encrypt(request(sequence)), iface=iface)
    if not is_answered(sequence):
        fail(f"no answer to ping {sequence} of {count} within {TIMEOUT_S} s")
