//! Hugepages: asked of the kernel, counted, and given back when they are too few to be of use.

use std::fs;
use std::path::PathBuf;

use ravelin_ctl::host::Pages;

use super::size::{self, LEAST_PACKETS_MIB, PAGE_1G_KIB, PAGE_2M_KIB, Share};
use crate::root::Root;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reserved {
    /// Every size that was tried.
    pub pages: Vec<Pages>,
    /// Memory for packets in them, MiB; 0: none, ordinary pages must do.
    pub packets_mib: u32,
    /// Why it is less than wanted.
    pub shortage: Option<String>,
}

/// Whether the machine has hugepages of 1 GiB.
pub fn has_large(root: &Root) -> bool {
    file(root, PAGE_1G_KIB).exists()
}

/// Reserves what `share` says. Large pages that are not all to be had are given back for ordinary hugepages; of those, fewer are
/// taken when planed can start with them.
pub fn reserve(root: &Root, share: &Share) -> Reserved {
    let mut reserved = Reserved::default();
    if share.page_kib == PAGE_1G_KIB {
        let pages = ask(
            root,
            PAGE_1G_KIB,
            size::pages(share.packets_mib, PAGE_1G_KIB),
        );
        reserved.pages.push(pages);
        if pages.reserved >= pages.wanted {
            reserved.packets_mib = share.packets_mib;
            return reserved;
        }
        give_back(root, PAGE_1G_KIB);
    }
    let pages = ask(
        root,
        PAGE_2M_KIB,
        size::pages(share.packets_mib, PAGE_2M_KIB),
    );
    reserved.pages.push(pages);
    if pages.reserved >= pages.wanted {
        reserved.packets_mib = share.packets_mib;
        return reserved;
    }
    let there_mib = u32::try_from((pages.reserved * PAGE_2M_KIB) >> 10).unwrap_or(u32::MAX);
    let few = format!(
        "{} of {} hugepages of 2 MiB are to be had",
        pages.reserved, pages.wanted
    );
    if there_mib >= LEAST_PACKETS_MIB {
        reserved.packets_mib = there_mib;
    } else if pages.reserved > 0 {
        give_back(root, PAGE_2M_KIB);
    }
    reserved.shortage = Some(few);
    reserved
}

/// Asks for pages of one size and counts what is there.
fn ask(root: &Root, size_kib: u64, wanted: u64) -> Pages {
    let file = file(root, size_kib);
    let count = || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    };
    // What is there already may be in use, and is enough.
    if count() < wanted
        && let Err(error) = fs::write(&file, wanted.to_string())
    {
        log::warn!("{}: {error}", file.display());
    }
    Pages {
        size_kib,
        wanted,
        reserved: count(),
    }
}

fn give_back(root: &Root, size_kib: u64) {
    let file = file(root, size_kib);
    if let Err(error) = fs::write(&file, "0") {
        log::warn!("{}: {error}", file.display());
    }
}

fn file(root: &Root, size_kib: u64) -> PathBuf {
    root.path(format!(
        "/sys/kernel/mm/hugepages/hugepages-{size_kib}kB/nr_hugepages"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn machine(sizes: &[u64]) -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        for size in sizes {
            let file = file(&root, *size);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "0\n").unwrap();
        }
        (folder, root)
    }

    #[test]
    fn pages_are_reserved_of_the_size_that_fits() {
        let (_folder, root) = machine(&[PAGE_2M_KIB, PAGE_1G_KIB]);
        assert!(has_large(&root));
        let small = reserve(&root, &size::share(1, 1_967, true));
        assert_eq!((small.packets_mib, small.shortage), (256, None));
        assert_eq!(fs::read_to_string(file(&root, PAGE_2M_KIB)).unwrap(), "128");
        let large = reserve(&root, &size::share(16, 32_000, true));
        assert_eq!(large.packets_mib, 4_096);
        assert_eq!(fs::read_to_string(file(&root, PAGE_1G_KIB)).unwrap(), "4");
    }

    #[test]
    fn without_pages_there_are_none_and_it_is_said() {
        let (_folder, root) = machine(&[]);
        let none = reserve(&root, &size::share(2, 1_967, false));
        assert_eq!(none.packets_mib, 0);
        let why = "0 of 128 hugepages of 2 MiB are to be had";
        assert_eq!(none.shortage.as_deref(), Some(why));
    }
}
