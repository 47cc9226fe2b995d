//! Password hashes as crypt(5) stores them: SHA-512, `$6$` ("Unix crypt using SHA-256 and SHA-512", U. Drepper, version 0.6).
//!
//! Only hashing is here; who logs in is judged by the system's own library.

use crate::error::Error;
use crate::rng::random;
use openssl::sha::Sha512;
use zeroize::Zeroizing;

/// Rounds of a new hash: a tenth of a second on a server, and bearable in an emulated machine.
const ROUNDS: u32 = 50_000;
/// Rounds of a hash that names none.
const DEFAULT_ROUNDS: u32 = 5_000;
/// Characters of a salt: 96 bits.
const SALT_CHARS: usize = 16;
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The hash of `password` under a fresh salt.
///
/// # Errors
/// [`Error::Library`] when there is no randomness.
pub fn hash_password(password: &[u8]) -> Result<String, Error> {
    let mut salt = [0; SALT_CHARS];
    random(&mut salt)?;
    for octet in &mut salt {
        *octet = ALPHABET[usize::from(*octet) % ALPHABET.len()];
    }
    Ok(sha512_crypt(password, &salt, ROUNDS))
}

/// The paper's steps 1 to 21 and the text of step 22; the rounds are named unless they are the default.
fn sha512_crypt(password: &[u8], salt: &[u8], rounds: u32) -> String {
    let mut last = initial(password, salt);
    let mut of_password = Sha512::new();
    password.iter().for_each(|_| of_password.update(password));
    let p = repeated(&of_password.finish(), password.len());
    let mut of_salt = Sha512::new();
    (0..16 + usize::from(last[0])).for_each(|_| of_salt.update(salt));
    let s = repeated(&of_salt.finish(), salt.len());
    for round in 0..rounds {
        let mut next = Sha512::new();
        let odd = round % 2 == 1;
        next.update(if odd { &p } else { &*last });
        if round % 3 != 0 {
            next.update(&s);
        }
        if round % 7 != 0 {
            next.update(&p);
        }
        next.update(if odd { &*last } else { &p });
        *last = next.finish();
    }
    let mut text = "$6$".to_owned();
    if rounds != DEFAULT_ROUNDS {
        text.push_str(&format!("rounds={rounds}$"));
    }
    text.push_str(&String::from_utf8_lossy(salt));
    text.push('$');
    encode(&last, &mut text);
    text
}

/// Steps 1 to 12: digest A.
fn initial(password: &[u8], salt: &[u8]) -> Zeroizing<[u8; 64]> {
    let mut b = Sha512::new();
    [password, salt, password]
        .iter()
        .for_each(|part| b.update(part));
    let b = Zeroizing::new(b.finish());
    let mut a = Sha512::new();
    a.update(password);
    a.update(salt);
    a.update(&repeated(&b, password.len()));
    let mut bits = password.len();
    while bits > 0 {
        a.update(if bits % 2 == 1 { &*b } else { password });
        bits /= 2;
    }
    Zeroizing::new(a.finish())
}

/// `octets` of a digest, which is repeated as often as it takes.
fn repeated(digest: &[u8; 64], octets: usize) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(digest.iter().copied().cycle().take(octets).collect())
}

/// Step 22: groups of three octets, from places that rotate.
fn encode(digest: &[u8; 64], text: &mut String) {
    let mut places = (0, 21, 42);
    for _ in 0..21 {
        let (a, b, c) = places;
        push(text, [digest[a], digest[b], digest[c]], 4);
        places = (b + 1, c + 1, a + 1);
    }
    push(text, [0, 0, digest[63]], 2);
}

fn push(text: &mut String, octets: [u8; 3], chars: usize) {
    let [a, b, c] = octets.map(u32::from);
    let mut bits = a << 16 | b << 8 | c;
    for _ in 0..chars {
        text.push(char::from(ALPHABET[(bits % 64) as usize]));
        bits /= 64;
    }
}

#[cfg(test)]
mod tests;
