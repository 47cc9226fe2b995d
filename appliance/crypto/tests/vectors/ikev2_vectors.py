#!/usr/bin/env python3
"""Writes ikev2_vectors.txt: known answers of the IKEv2 key schedule (RFC 7296 sections 2.13, 2.14,
2.17, 2.18) and of the key exchange groups, by an implementation that shares nothing with ours.

HMAC is written out over CPython's own SHA-2 (`_sha2`, HACL*), MODP is `pow`, ECP is textbook affine
arithmetic, and Curve25519 is the ladder of RFC 7748 section 5. No OpenSSL.
Run: python3 ikev2_vectors.py > ikev2_vectors.txt
"""
import _sha2

HASHES = {5: (_sha2.sha256, 64), 6: (_sha2.sha384, 128), 7: (_sha2.sha512, 128)}


def hmac(prf, key, data):
    new, block = HASHES[prf]
    if len(key) > block:
        key = new(key).digest()
    key = key.ljust(block, b"\0")
    inner = new(bytes(b ^ 0x36 for b in key) + data).digest()
    return new(bytes(b ^ 0x5C for b in key) + inner).digest()


def prf_plus(prf, key, seed, octets):
    out, t, n = b"", b"", 0
    while len(out) < octets:
        n += 1
        t = hmac(prf, key, t + seed + bytes([n]))
        out += t
    return out[:octets]


def stretch(label, octets):
    """Test inputs without a pattern that a swap of two fields would hide."""
    return prf_plus(5, b"ravelin test vector", label.encode(), octets)


def show(**fields):
    for name, value in fields.items():
        print(f"{name} = {value.hex() if isinstance(value, bytes) else value}")
    print()


def kdf(prf, integ_octets, encr_octets, shared_octets, nonce_i, nonce_r, child_octets, label):
    out = len(hmac(prf, b"", b""))
    ni, nr = stretch(label + "ni", nonce_i), stretch(label + "nr", nonce_r)
    spi_i, spi_r = stretch(label + "spii", 8), stretch(label + "spir", 8)
    g_ir, g_ir_new = stretch(label + "gir", shared_octets), stretch(label + "gir2", shared_octets)
    skeyseed = hmac(prf, ni + nr, g_ir)
    sizes = [out, integ_octets, integ_octets, encr_octets, encr_octets, out, out]
    dkm = prf_plus(prf, skeyseed, ni + nr + spi_i + spi_r, sum(sizes))
    sk_d = dkm[:out]
    show(test="kdf", prf=prf, integ_octets=integ_octets, encr_octets=encr_octets, ni=ni, nr=nr,
         spi_i=spi_i, spi_r=spi_r, g_ir=g_ir, g_ir_new=g_ir_new, skeyseed=skeyseed, dkm=dkm,
         child=prf_plus(prf, sk_d, ni + nr, child_octets),
         child_pfs=prf_plus(prf, sk_d, g_ir_new + ni + nr, child_octets),
         skeyseed_rekey=hmac(prf, sk_d, g_ir_new + ni + nr))


def pi_bits(bits):
    """The integer part of pi * 2^bits, by Machin's formula."""
    one = 1 << (bits + 64)

    def arctan(inverse):
        total, power, n = 0, one // inverse, 1
        while power:
            total += power // n if n % 4 == 1 else -(power // n)
            power //= inverse * inverse
            n += 2
        return total

    return (4 * (4 * arctan(5) - arctan(239))) >> 64


# RFC 2409 section 6 and RFC 3526: bits and the constant beside pi.
MODP = {1: (768, 149686), 2: (1024, 129093), 5: (1536, 741804), 14: (2048, 124476), 15: (3072, 1690314),
        16: (4096, 240904), 17: (6144, 929484), 18: (8192, 4743158)}


def modp_prime(group):
    n, constant = MODP[group]
    return 2**n - 2**(n - 64) - 1 + 2**64 * (pi_bits(n - 130) + constant)


def modp(group, x):
    p, x = modp_prime(group), int.from_bytes(x, "big")
    return lambda y: pow(int.from_bytes(y, "big"), x, p).to_bytes(MODP[group][0] // 8, "big")


CURVES = {
    19: (2**256 - 2**224 + 2**192 + 2**96 - 1,
         0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
         0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5, 32),
    20: (2**384 - 2**128 - 2**96 + 2**32 - 1,
         0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
         0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F, 48),
}


def ec_add(p, a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % p == 0:
        return None
    if a == b:
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, p) % p
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, p) % p
    x = (slope * slope - a[0] - b[0]) % p
    return x, (slope * (a[0] - x) - a[1]) % p


def ec_mul(p, k, point):
    out = None
    for bit in bin(k)[2:]:
        out = ec_add(p, out, out)
        if bit == "1":
            out = ec_add(p, out, point)
    return out


def x25519(k, u):
    p = 2**255 - 19
    k = bytearray(k)
    k[0] &= 248
    k[31] = (k[31] & 127) | 64
    k, u = int.from_bytes(k, "little"), int.from_bytes(u, "little") & (2**255 - 1)
    x2, z2, x3, z3, swap = 1, 0, u, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a, b * b, d * a, c * b
        e = aa - bb
        x3, z3 = pow(da + cb, 2, p), u * pow(da - cb, 2, p) % p
        x2, z2 = aa * bb % p, e * (aa + 121665 * e) % p
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, p - 2, p) % p).to_bytes(32, "little")


def dh(group, i, r, source):
    i, r = bytes.fromhex(i), bytes.fromhex(r)
    if group in MODP:
        public_i, public_r = modp(group, i)(b"\2"), modp(group, r)(b"\2")
        shared = modp(group, i)(public_r)
    elif group == 31:
        base = bytes([9]) + bytes(31)
        public_i, public_r = x25519(i, base), x25519(r, base)
        shared = x25519(i, public_r)
    else:
        p, gx, gy, n = CURVES[group]
        ki, kr = int.from_bytes(i, "big"), int.from_bytes(r, "big")
        pi, pr = ec_mul(p, ki, (gx, gy)), ec_mul(p, kr, (gx, gy))
        public_i = pi[0].to_bytes(n, "big") + pi[1].to_bytes(n, "big")
        public_r = pr[0].to_bytes(n, "big") + pr[1].to_bytes(n, "big")
        shared = ec_mul(p, ki, pr)[0].to_bytes(n, "big")
    show(test="dh", source=source, group=group, private_i=i, private_r=r, public_i=public_i,
         public_r=public_r, shared=shared)


kdf(5, 0, 20, 32, 16, 32, 40, "gcm128-sha256-ecp256 ")
kdf(5, 32, 32, 256, 32, 32, 128, "cbc256-sha256-modp2048 ")
kdf(6, 0, 36, 48, 32, 256, 72, "gcm256-sha384-ecp384 ")
kdf(6, 48, 32, 32, 64, 16, 500, "cbc256-sha384-x25519 ")
kdf(7, 64, 32, 66, 32, 32, 128, "cbc256-sha512-ecp521 ")
dh(19, "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433",
   "C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53", "RFC 5903 section 8.1")
dh(20, "099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F160647B67414DCE655E35B538041E649EE3FAEF896783AB194",
   "41CB0779B4BDB85D47846725FBEC3C9430FAB46CC8DC5060855CC9BDA0AA2942E0308312916B8ED2960E4BD55A7448FC",
   "RFC 5903 section 8.2")
dh(31, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
   "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", "RFC 7748 section 6.1")
for n in range(4):
    dh(14, stretch(f"modp i{n}", 32 if n else 255).hex(), stretch(f"modp r{n}", 255).hex(), "this script")
for group in (1, 2, 5, 15, 16, 17, 18):
    dh(group, stretch(f"modp{group} i", 64).hex(), stretch(f"modp{group} r", 64).hex(), "this script")
