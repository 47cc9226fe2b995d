//! Longest-prefix match for IPv4 in at most six dependent loads: a multibit trie with leaf pushing (Srinivasan, Varghese: "Fast
//! Address Lookups Using Controlled Prefix Expansion", 1999) of strides 8, 8, 4, 4, 4, 4, beside the table of prefixes it is made
//! from.
//!
//! Wide strides where routes are many, narrow ones where host routes lie scattered: a host costs two nodes of 16 entries at most.
//! As in [`Lpm`], cloning is two reference counts, and a change copies only the nodes on its path that another version still
//! uses.

use std::sync::Arc;

use crate::lpm::Lpm;

const BITS: u8 = 32;
const WIDE: usize = 256;
const NARROW: usize = 16;

type Nodes<L, const N: usize> = Arc<[Entry<L>; N]>;

/// What a look-up finds of a value: as little as the reader needs, so that it lies in the trie itself.
pub trait Leaf<V>: Clone {
    /// The leaf of a value.
    fn of(value: &V) -> Self;
}

/// What stands for one value of a stride.
#[derive(Clone, Debug)]
enum Entry<L> {
    /// The longest prefix that holds all addresses below: its length and its leaf, if there is any.
    Leaf(u8, Option<L>),
    /// The second stride.
    Wide(Nodes<L, WIDE>),
    /// Each later one.
    Narrow(Nodes<L, NARROW>),
}

/// An IPv4 table that is read much more often than it changes.
#[derive(Debug)]
pub struct Trie<V, L> {
    prefixes: Lpm<u32, V>,
    root: Nodes<L, WIDE>,
}

impl<V, L> Clone for Trie<V, L> {
    fn clone(&self) -> Self {
        Self {
            prefixes: self.prefixes.clone(),
            root: Arc::clone(&self.root),
        }
    }
}

impl<V, L> Default for Trie<V, L> {
    fn default() -> Self {
        Self {
            prefixes: Lpm::default(),
            root: filled(|| Entry::Leaf(0, None)),
        }
    }
}

fn filled<L, const N: usize>(entry: impl Fn() -> Entry<L>) -> Nodes<L, N> {
    Arc::new(std::array::from_fn(|_| entry()))
}

impl<V: Clone, L: Leaf<V>> Trie<V, L> {
    /// Its prefixes, for everything but the fastest look-up.
    pub fn prefixes(&self) -> &Lpm<u32, V> {
        &self.prefixes
    }

    /// The leaf of the longest prefix that holds `key`.
    #[inline]
    pub fn lookup(&self, key: u32) -> Option<&L> {
        let mut entry = &self.root[(key >> 24) as usize];
        if let Entry::Wide(second) = entry {
            entry = &second[(key >> 16 & 0xff) as usize];
            let mut rest = key << 16;
            while let Entry::Narrow(node) = entry {
                entry = &node[(rest >> 28) as usize];
                rest <<= 4;
            }
        }
        match entry {
            Entry::Leaf(_, leaf) => leaf.as_ref(),
            Entry::Wide(_) | Entry::Narrow(_) => None,
        }
    }

    /// Sets the value of a prefix and returns the former one. Bits of `key` behind `length` are ignored; `length` is at most 32
    /// (more is cut).
    pub fn insert(&mut self, key: u32, length: u8, value: V) -> Option<V> {
        let length = length.min(BITS);
        let change = Change {
            key: masked(key, length),
            length,
            shortest: 0,
            leaf: Entry::Leaf(length, Some(L::of(&value))),
        };
        change.apply(Arc::make_mut(&mut self.root).as_mut_slice(), 0);
        self.prefixes.insert(key, length, value)
    }

    /// Removes a prefix and returns its value.
    pub fn remove(&mut self, key: u32, length: u8) -> Option<V> {
        let length = length.min(BITS);
        let removed = self.prefixes.remove(key, length)?;
        let shorter =
            |at: u8, value: &V| (at < length).then(|| Entry::Leaf(at, Some(L::of(value))));
        let change = Change {
            key: masked(key, length),
            length,
            shortest: length,
            leaf: (self.prefixes)
                .find_map_prefix(key, shorter)
                .unwrap_or(Entry::Leaf(0, None)),
        };
        change.apply(Arc::make_mut(&mut self.root).as_mut_slice(), 0);
        Some(removed)
    }
}

fn masked(key: u32, length: u8) -> u32 {
    key & u32::MAX.checked_shl(u32::from(BITS - length)).unwrap_or(0)
}

/// Replaces the leaves under a prefix that come from prefixes of `shortest ..= length` bits.
struct Change<L> {
    key: u32,
    length: u8,
    shortest: u8,
    leaf: Entry<L>,
}

impl<L: Clone> Change<L> {
    /// Changes a node whose stride begins at bit `at`.
    fn apply(&self, entries: &mut [Entry<L>], at: u8) {
        let end = at + entries.len().ilog2() as u8;
        let first = (self.key >> (BITS - end)) as usize & (entries.len() - 1);
        if self.length <= end {
            let count = 1usize << (end - self.length).min(end - at);
            for entry in entries.iter_mut().skip(first).take(count) {
                self.replace(entry, end);
            }
            return;
        }
        let Some(entry) = entries.get_mut(first) else {
            return;
        };
        if let Entry::Leaf(..) = entry {
            let leaf = entry.clone();
            *entry = if end == 8 {
                Entry::Wide(filled(|| leaf.clone()))
            } else {
                Entry::Narrow(filled(|| leaf.clone()))
            };
        }
        match entry {
            Entry::Wide(node) => self.apply(Arc::make_mut(node).as_mut_slice(), end),
            Entry::Narrow(node) => self.apply(Arc::make_mut(node).as_mut_slice(), end),
            Entry::Leaf(..) => {}
        }
        close(entry, end);
    }

    /// Replaces everything below `entry`, whose node's stride ends at bit `end`.
    fn replace(&self, entry: &mut Entry<L>, end: u8) {
        match entry {
            Entry::Leaf(length, _) if (self.shortest..=self.length).contains(length) => {
                *entry = self.leaf.clone();
            }
            Entry::Leaf(..) => {}
            Entry::Wide(node) => self.replace_all(Arc::make_mut(node).as_mut_slice(), end + 8),
            Entry::Narrow(node) => self.replace_all(Arc::make_mut(node).as_mut_slice(), end + 4),
        }
        close(entry, end);
    }

    fn replace_all(&self, entries: &mut [Entry<L>], end: u8) {
        for entry in entries {
            self.replace(entry, end);
        }
    }
}

/// Puts a leaf in place of a node that begins at bit `at` and tells nothing apart.
fn close<L: Clone>(entry: &mut Entry<L>, at: u8) {
    let entries: &[Entry<L>] = match entry {
        Entry::Wide(node) => node.as_slice(),
        Entry::Narrow(node) => node.as_slice(),
        Entry::Leaf(..) => return,
    };
    let pushed =
        |entry: &Entry<L>| matches!(entry, Entry::Leaf(length, _) if *length <= at).then_some(());
    if entries.iter().all(|entry| pushed(entry).is_some())
        && let Some(leaf) = entries.first()
    {
        *entry = leaf.clone();
    }
}

#[cfg(test)]
mod tests;
