//! Longest-prefix match with memory proportional to its routes: a tree bitmap (Eatherton, Varghese, Dittia: "Tree Bitmap", 2004)
//! of stride 6 whose nodes are shared between versions.
//!
//! Cloning a table is one reference count. A change copies only the nodes on its path that another version still uses, so a
//! writer changes its own copy, publishes a clone, and readers of the old one are not disturbed. Not for millions of IPv4
//! routes at line rate: that is rte_fib's work.

use std::sync::Arc;

const STRIDE: u32 = 6;
/// Levels of the longest key: 128 bits need 22 nodes.
const MAX_DEPTH: usize = 128 / STRIDE as usize + 1;

/// An address as a key: most significant bit first.
pub trait LpmKey: Copy {
    /// Bits of the key.
    const BITS: u8;
    /// The 6 bits at `6 * depth`, zero-padded past the end.
    fn chunk(self, depth: u32) -> u32;
}

impl LpmKey for u32 {
    const BITS: u8 = 32;
    #[inline]
    fn chunk(self, depth: u32) -> u32 {
        (u64::from(self) << 32 << (STRIDE * depth) >> (64 - STRIDE)) as u32
    }
}

impl LpmKey for u128 {
    const BITS: u8 = 128;
    #[inline]
    fn chunk(self, depth: u32) -> u32 {
        (self << (STRIDE * depth) >> (128 - STRIDE)) as u32
    }
}

/// Of each 6-bit value, the bits of the prefixes of length 0 to 5 that hold it.
const COVERING: [u64; 64] = {
    let mut masks = [0u64; 64];
    let mut value = 0;
    while value < 64 {
        let mut length = 0;
        while length < STRIDE {
            masks[value as usize] |= 1 << prefix_bit(value, length);
            length += 1;
        }
        value += 1;
    }
    masks
};

/// The bit of the prefix of `length` bits (below 6) that holds `chunk`; longer prefixes have higher bits.
const fn prefix_bit(chunk: u32, length: u32) -> u32 {
    (1 << length) - 1 + (chunk >> (STRIDE - length))
}

#[inline]
fn rank(bitmap: u64, bit: u32) -> usize {
    (bitmap & ((1 << bit) - 1)).count_ones() as usize
}

#[derive(Clone, Debug)]
struct Node<V> {
    /// Prefixes that end in this node.
    internal: u64,
    /// Children, one bit for each value of the chunk.
    external: u64,
    values: Vec<V>,
    children: Vec<Arc<Node<V>>>,
}

impl<V> Default for Node<V> {
    fn default() -> Self {
        Self {
            internal: 0,
            external: 0,
            values: Vec::new(),
            children: Vec::new(),
        }
    }
}

impl<V> Node<V> {
    #[inline]
    fn child(&self, chunk: u32) -> Option<&Arc<Node<V>>> {
        if self.external >> chunk & 1 == 0 {
            return None;
        }
        self.children.get(rank(self.external, chunk))
    }

    fn is_empty(&self) -> bool {
        self.internal == 0 && self.external == 0
    }
}

/// A longest-prefix-match table over keys of type `K`.
#[derive(Debug)]
pub struct Lpm<K, V> {
    root: Arc<Node<V>>,
    len: usize,
    key: std::marker::PhantomData<K>,
}

impl<K, V> Clone for Lpm<K, V> {
    fn clone(&self) -> Self {
        Self {
            root: Arc::clone(&self.root),
            len: self.len,
            key: std::marker::PhantomData,
        }
    }
}

impl<K, V> Default for Lpm<K, V> {
    fn default() -> Self {
        Self {
            root: Arc::default(),
            len: 0,
            key: std::marker::PhantomData,
        }
    }
}

impl<K: LpmKey, V: Clone> Lpm<K, V> {
    /// How many prefixes it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of the longest prefix that holds `key`.
    #[inline]
    pub fn lookup(&self, key: K) -> Option<&V> {
        let mut node: &Node<V> = &self.root;
        let mut best = None;
        let mut depth = 0;
        loop {
            let chunk = key.chunk(depth);
            let covering = node.internal & COVERING[chunk as usize];
            if covering != 0 {
                best = Some((node, 63 - covering.leading_zeros()));
            }
            match node.child(chunk) {
                Some(child) => node = child,
                None => break,
            }
            depth += 1;
        }
        best.and_then(|(node, bit)| node.values.get(rank(node.internal, bit)))
    }

    /// Offers the values of all prefixes that hold `key`, the longest first, until `f` takes one.
    #[inline]
    pub fn find_map<'a, R>(&'a self, key: K, mut f: impl FnMut(&'a V) -> Option<R>) -> Option<R> {
        self.find_map_prefix(key, |_, value| f(value))
    }

    /// As [`Lpm::find_map`], with the length of each prefix.
    #[inline]
    pub fn find_map_prefix<'a, R>(
        &'a self,
        key: K,
        mut f: impl FnMut(u8, &'a V) -> Option<R>,
    ) -> Option<R> {
        let mut path = [(0u64, None::<&Node<V>>); MAX_DEPTH];
        let mut used = 0;
        let mut node: &Node<V> = &self.root;
        for (depth, step) in path.iter_mut().enumerate() {
            let chunk = key.chunk(depth as u32);
            *step = (node.internal & COVERING[chunk as usize], Some(node));
            used = depth + 1;
            match node.child(chunk) {
                Some(child) => node = child,
                None => break,
            }
        }
        for (depth, (mut covering, node)) in path[..used].iter().copied().enumerate().rev() {
            let Some(node) = node else { continue };
            while covering != 0 {
                let bit = 63 - covering.leading_zeros();
                covering &= !(1 << bit);
                let Some(value) = node.values.get(rank(node.internal, bit)) else {
                    continue;
                };
                let length = depth as u32 * STRIDE + (bit + 1).ilog2();
                if let Some(result) = f(length as u8, value) {
                    return Some(result);
                }
            }
        }
        None
    }

    /// The value of exactly this prefix.
    pub fn get(&self, key: K, length: u8) -> Option<&V> {
        let mut node: &Node<V> = &self.root;
        for depth in 0..u32::from(length) / STRIDE {
            node = node.child(key.chunk(depth))?;
        }
        let bit = Self::last_bit(key, length);
        if node.internal >> bit & 1 == 0 {
            return None;
        }
        node.values.get(rank(node.internal, bit))
    }

    fn last_bit(key: K, length: u8) -> u32 {
        let length = u32::from(length);
        prefix_bit(key.chunk(length / STRIDE), length % STRIDE)
    }

    /// Sets the value of a prefix and returns the former one. Bits of `key` behind `length` are ignored; `length` is at most
    /// [`LpmKey::BITS`] (more is cut).
    pub fn insert(&mut self, key: K, length: u8, value: V) -> Option<V> {
        let length = length.min(K::BITS);
        let mut node = Arc::make_mut(&mut self.root);
        for depth in 0..u32::from(length) / STRIDE {
            let chunk = key.chunk(depth);
            let at = rank(node.external, chunk);
            if node.external >> chunk & 1 == 0 {
                node.external |= 1 << chunk;
                node.children.insert(at, Arc::default());
            }
            node = Arc::make_mut(&mut node.children[at]);
        }
        let bit = Self::last_bit(key, length);
        let at = rank(node.internal, bit);
        if node.internal >> bit & 1 == 1 {
            return Some(std::mem::replace(&mut node.values[at], value));
        }
        node.internal |= 1 << bit;
        node.values.insert(at, value);
        self.len += 1;
        None
    }

    /// Removes a prefix and returns its value.
    pub fn remove(&mut self, key: K, length: u8) -> Option<V> {
        self.get(key, length)?;
        let removed = Self::remove_below(&mut self.root, key, length.min(K::BITS), 0);
        self.len -= usize::from(removed.is_some());
        removed
    }

    fn remove_below(node: &mut Arc<Node<V>>, key: K, length: u8, depth: u32) -> Option<V> {
        let node = Arc::make_mut(node);
        if depth == u32::from(length) / STRIDE {
            let bit = Self::last_bit(key, length);
            let at = rank(node.internal, bit);
            node.internal &= !(1 << bit);
            return (at < node.values.len()).then(|| node.values.remove(at));
        }
        let chunk = key.chunk(depth);
        let at = rank(node.external, chunk);
        let removed = Self::remove_below(node.children.get_mut(at)?, key, length, depth + 1);
        if node.children[at].is_empty() {
            node.children.remove(at);
            node.external &= !(1 << chunk);
        }
        removed
    }
}

#[cfg(test)]
mod tests;
