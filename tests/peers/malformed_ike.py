#!/usr/bin/env python3
"""malformed_ike.py LOCAL GATEWAY IDENTITY REMOTE KEY: an initiator of IKEv2 (AES-256-GCM, HMAC-SHA-256, ECP-256, a pre-shared key, no child)
that sends what is malformed. It takes orders from standard input, one a line, and answers each by a line:

    prepare CASE   brings about the IKE SA that the case needs: none, half-open, or up
    send CASE      sends the case's datagrams
    answer         what comes back: EXCHANGE [protected] ERROR..., by their numbers
    silence        what has come back, without waiting
"""
import os
import socket
import struct
import sys

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

local, gateway, identity, remote, key = sys.argv[1:]
SA, KE, IDI, AUTH, NONCE, NOTIFY, DELETE, SK, SKF, UNKNOWN = 33, 34, 35, 39, 40, 41, 42, 46, 53, 200
SA_INIT, IKE_AUTH, CREATE_CHILD_SA, INFORMATIONAL = 34, 35, 36, 37
INITIATOR, RESPONSE = 0x08, 0x20
CRITICAL = 0x80
FRAGMENTATION_SUPPORTED, COOKIE, INVALID_IKE_SPI, FIRST_STATUS = 16430, 16390, 4, 16384
TIMEOUT_S = 5


def chain(*payloads):
    """(first type, octets) of payloads (type, body, flags, length)."""
    octets = b""
    kinds = [payload[0] for payload in payloads] + [0]
    for following, (_, body, *rest) in zip(kinds[1:], payloads):
        flags, length = (*rest, *(0, None)[len(rest) :])
        octets += struct.pack("!BBH", following, flags, len(body) + 4 if length is None else length) + body
    return kinds[0], octets


def notify(number, data=b"", spi=b"", spi_octets=None):
    return NOTIFY, struct.pack("!BBH", 0, len(spi) if spi_octets is None else spi_octets, number) + spi + data


def message(contents, spi_i, spi_r=bytes(8), exchange=SA_INIT, flags=INITIATOR, number=0, version=0x20, length=None):
    first, octets = contents
    length = 28 + len(octets) if length is None else length
    return spi_i + spi_r + struct.pack("!BBBBII", first, version, exchange, flags, number, length) + octets


def prf(secret, *parts):
    mac = hmac.HMAC(secret, hashes.SHA256())
    for part in parts:
        mac.update(part)
    return mac.finalize()


def stream(secret, seed, octets):
    out, block, at = b"", b"", 1
    while len(out) < octets:
        block = prf(secret, block, seed, bytes([at]))
        out, at = out + block, at + 1
    return out


class Peer:
    """One IKE SA, from IKE_SA_INIT on."""

    def __init__(self):
        self.spi_i, self.spi_r, self.nonce = os.urandom(8), bytes(8), os.urandom(32)
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.number = 1

    def public(self):
        return self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]

    def sa(self, spi=b"", spi_octets=None, protocol=1, kind=1):
        transforms = [(kind, 20, struct.pack("!HH", 0x800E, 256)), (2, 5, b""), (4, 19, b"")]
        body = b""
        for at, (sort, number, attributes) in enumerate(transforms):
            more = 0 if at == len(transforms) - 1 else 3
            body += struct.pack("!BBHBBH", more, 0, 8 + len(attributes), sort, 0, number) + attributes
        head = struct.pack("!BBBB", 1, protocol, len(spi) if spi_octets is None else spi_octets, len(transforms))
        return SA, struct.pack("!BBH", 0, 0, 8 + len(spi) + len(body)) + head + spi + body

    def ke(self, group=19, public=None):
        return KE, struct.pack("!HH", group, 0) + (self.public() if public is None else public)

    def first(self, *more, nonce=None, **header):
        contents = chain(self.sa(), self.ke(), (NONCE, self.nonce if nonce is None else nonce), *more)
        return message(contents, self.spi_i, **header)

    def half_open(self, link):
        request = self.first(notify(FRAGMENTATION_SUPPORTED))
        response = link.ask(request)
        self.spi_r = response[8:16]
        parts = dict(payloads(response[16], response[28:]))
        nonce_r, theirs = parts[NONCE], parts[KE][4:]
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + theirs)
        shared = self.private.exchange(ec.ECDH(), point)
        seed = prf(self.nonce + nonce_r, shared)
        keys = stream(seed, self.nonce + nonce_r + self.spi_i + self.spi_r, 32 + 36 + 36 + 32 + 32)
        self.out, self.back, self.sk_pi = keys[32:68], keys[68:104], keys[104:136]
        self.request, self.nonce_r = request, nonce_r
        return self

    def up(self, link):
        self.half_open(link)
        body = b"\x02\0\0\0" + identity.encode()
        signed = self.request + self.nonce_r + prf(self.sk_pi, body)
        proof = prf(prf(key.encode(), b"Key Pad for IKEv2"), signed)
        answer = link.ask(self.sealed(chain((IDI, body), (AUTH, b"\x02\0\0\0" + proof)), IKE_AUTH))
        inside = self.open(answer)
        if AUTH not in dict(inside):
            sys.exit(f"not authenticated: {inside}")
        self.number = 2
        return self

    def sealed(self, contents, exchange=INFORMATIONAL, fragment=None, flags=INITIATOR, number=None):
        first, octets = contents
        kind, extra = (SK, b"") if fragment is None else (SKF, struct.pack("!HH", *fragment))
        iv, plain = os.urandom(8), octets + b"\0"
        length = 4 + len(extra) + 8 + len(plain) + 16
        number = self.number if number is None else number
        head = message((kind, b""), self.spi_i, self.spi_r, exchange, flags, number, length=28 + length)
        head += struct.pack("!BBH", first, 0, length) + extra
        return head + iv + AESGCM(self.out[:32]).encrypt(self.out[32:] + iv, plain, head)

    def open(self, data):
        head, iv, rest = data[:32], data[32:40], data[40:]
        plain = AESGCM(self.back[:32]).decrypt(self.back[32:] + iv, rest, head)
        return payloads(data[28], plain[: len(plain) - 1 - plain[-1]])

    def protected(self, *contents, **options):
        return self.sealed(chain(*contents), **options)

    def bare(self, *contents, **options):
        options = {"exchange": INFORMATIONAL, "number": self.number, **options}
        return message(chain(*contents), self.spi_i, self.spi_r, **options)


def payloads(kind, octets):
    found = []
    while kind:
        following, _, length = struct.unpack_from("!BBH", octets)
        found.append((kind, octets[4:length]))
        kind, octets = following, octets[length:]
    return found


class Link:
    def __init__(self):
        family = socket.AF_INET6 if ":" in local else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((local, 0))
        self.socket.connect((gateway, 500))

    def send(self, data):
        self.socket.send(data)

    def receive(self, seconds):
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(65535)
        except (TimeoutError, BlockingIOError):
            return None

    def ask(self, data):
        for _ in range(TIMEOUT_S):
            self.send(data)
            answer = self.receive(1)
            if answer is not None:
                return answer
        sys.exit("the gateway does not answer what is well-formed")


# What each case sends, by the state that it needs. A case is a function of the IKE SA.
NONE = {
    "27 octets": lambda p: p.first()[:27],
    "a header that says more": lambda p: p.first(length=5000),
    "a header that says less": lambda p: p.first(length=40),
    "half of the message": lambda p: p.first()[: len(p.first()) // 2],
    "octets left over": lambda p: p.first() + b"\0\0\0\0",
    "a length of zero": lambda p: message(chain(p.sa(), (KE, p.ke()[1], 0, 0)), p.spi_i),
    "a payload that says more": lambda p: message(chain(p.sa(), (KE, p.ke()[1], 0, 4000)), p.spi_i),
    "major version 3": lambda p: p.first(version=0x30),
    "minor version 9": lambda p: p.first(version=0x29),
    "IKEv1 main mode": lambda p: p.first(version=0x10, exchange=2, flags=0),
    "a response of major version 3": lambda p: p.first(version=0x30, flags=RESPONSE),
    "an unknown critical payload": lambda p: p.first((UNKNOWN, b"what", CRITICAL)),
    "an unknown payload": lambda p: p.first((UNKNOWN, b"what")),
    "two of each": lambda p: p.first(p.sa(), p.ke(), (NONCE, bytes(32))),
    "65 payloads": lambda p: p.first(*[notify(40000)] * 62),
    "an SPI of 255 octets in a proposal": lambda p: message(chain(p.sa(spi_octets=255), p.ke()), p.spi_i),
    "an SPI in the first proposal": lambda p: message(chain(p.sa(spi=bytes(8)), p.ke(), (NONCE, p.nonce)), p.spi_i),
    "a proposal of ESP": lambda p: message(chain(p.sa(protocol=3), p.ke(), (NONCE, p.nonce)), p.spi_i),
    "an unknown type of transform": lambda p: message(chain(p.sa(kind=99), p.ke(), (NONCE, p.nonce)), p.spi_i),
    "a notification whose SPI is longer than it": lambda p: p.first(notify(40000, spi_octets=200)),
    "a nonce of 15 octets": lambda p: p.first(nonce=bytes(15)),
    "a nonce of 257 octets": lambda p: p.first(nonce=bytes(257)),
    "no nonce": lambda p: message(chain(p.sa(), p.ke()), p.spi_i),
    "another group": lambda p: message(chain(p.sa(), p.ke(14, bytes(256)), (NONCE, p.nonce)), p.spi_i),
    "a point beside the curve": lambda p: message(chain(p.sa(), p.ke(19, b"\1" * 64), (NONCE, p.nonce)), p.spi_i),
    "a cookie that nobody asked for": lambda p: p.first(notify(COOKIE, bytes(64))),
    "no SPI of the initiator": lambda p: message(chain(p.sa(), p.ke(), (NONCE, p.nonce)), bytes(8)),
    "an SPI of the responder": lambda p: p.first(spi_r=b"responds"),
    "a first message with number 1": lambda p: p.first(number=1),
    "a first message of no initiator": lambda p: p.first(flags=0),
    "a response to nothing": lambda p: p.first(flags=RESPONSE, spi_r=b"responds"),
    "a request of an unknown IKE SA": lambda p: message(chain((SK, bytes(60))), p.spi_i, b"responds", INFORMATIONAL),
}
HALF_OPEN = {
    "an envelope of noise": lambda p: p.bare((SK, os.urandom(80)), exchange=IKE_AUTH),
    "an envelope too short": lambda p: p.bare((SK, b"iv"), exchange=IKE_AUTH),
    "an empty envelope": lambda p: p.bare((SK, b""), exchange=IKE_AUTH),
    "something after the envelope": lambda p: p.bare((SK, bytes(80)), (NOTIFY, bytes(4)), exchange=IKE_AUTH) + bytes(8),
    "an identity in the clear": lambda p: p.bare((IDI, b"\2\0\0\0x"), exchange=IKE_AUTH),
    "a fragment of noise": lambda p: p.bare((SKF, struct.pack("!HH", 1, 2) + os.urandom(80)), exchange=IKE_AUTH),
    "fragment 0": lambda p: p.bare((SKF, struct.pack("!HH", 0, 2) + bytes(80)), exchange=IKE_AUTH),
    "fragment 3 of 2": lambda p: p.bare((SKF, struct.pack("!HH", 3, 2) + bytes(80)), exchange=IKE_AUTH),
    "a fragment without content": lambda p: p.bare((SKF, struct.pack("!HH", 1, 1)), exchange=IKE_AUTH),
    "INFORMATIONAL before IKE_AUTH": lambda p: p.protected((IDI, b"\2\0\0\0x")),
    "IKE_AUTH without an identity": lambda p: p.protected(notify(40000), exchange=IKE_AUTH),
    "IKE_AUTH of half an identity": lambda p: p.sealed((IDI, b"\0\0\0\x40\2\0"), exchange=IKE_AUTH),
    "IKE_AUTH with an unknown critical payload": lambda p: p.protected((UNKNOWN, b"", CRITICAL), exchange=IKE_AUTH),
    "IKE_AUTH with a wrong proof": lambda p: p.protected(
        (IDI, b"\2\0\0\0" + identity.encode()), (AUTH, b"\2\0\0\0" + bytes(32)), exchange=IKE_AUTH
    ),
}
UP = {
    "noise of an IKE SA that is up": lambda p: p.bare((SK, os.urandom(80))),
    "a deletion in the clear": lambda p: p.bare((DELETE, struct.pack("!BBH", 1, 0, 0))),
    "a notification in the clear": lambda p: p.bare(notify(INVALID_IKE_SPI)),
    "a message of the other role": lambda p: p.protected(flags=0),
    "a response without a request": lambda p: p.protected(flags=INITIATOR | RESPONSE),
    "a number far ahead": lambda p: p.protected(number=p.number + 9),
    "65 fragments": lambda p: p.sealed((NOTIFY, b"piece"), fragment=(1, 65)),
    "a fragment of a coarser cut": lambda p: [
        p.sealed((NOTIFY, b"piece"), fragment=(1, 3)),
        p.sealed((NOTIFY, b"piece"), fragment=(1, 2)),
    ],
    "a fragment again": lambda p: [p.sealed((NOTIFY, b"piece"), fragment=(1, 3))] * 2,
    "a deletion of 65,535 SPIs of 255 octets": lambda p: p.protected((DELETE, struct.pack("!BBH", 3, 255, 65535))),
    "an unknown critical payload in the envelope": lambda p: p.protected((UNKNOWN, b"", CRITICAL)),
    "an empty CREATE_CHILD_SA": lambda p: p.protected(exchange=CREATE_CHILD_SA),
    "an unknown exchange": lambda p: p.protected(exchange=200),
}

link, peer = Link(), None
for order in sys.stdin:
    verb, _, case = order.strip().partition(" ")
    if verb == "prepare":
        peer = Peer()
        if case in HALF_OPEN:
            peer.half_open(link)
        elif case in UP:
            peer.up(link)
        print("prepared", flush=True)
        continue
    if verb == "send":
        made = {**NONE, **HALF_OPEN, **UP}[case](peer)
        for datagram in made if isinstance(made, list) else [made]:
            link.send(datagram)
        print("sent", flush=True)
        continue
    data = link.receive(TIMEOUT_S if verb == "answer" else 0.0)
    if data is None:
        print("nothing", flush=True)
        continue
    sealed = data[16] == SK
    inside = peer.open(data) if sealed else payloads(data[16], data[28:])
    numbers = [struct.unpack_from("!H", body, 2)[0] for kind, body in inside if kind == NOTIFY]
    print(data[18], *["protected"] * sealed, *(number for number in numbers if number < FIRST_STATUS), flush=True)
