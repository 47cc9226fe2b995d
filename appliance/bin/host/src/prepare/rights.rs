//! Gives planed, which is not root, what it needs of the devices that are bound for it: their device nodes and their files in sysfs.

use std::fs;
use std::path::PathBuf;

use nix::unistd::{Gid, Uid, User, chown};
use ravelin_types::PciAddress;

use crate::error::Error;
use crate::root::Root;

/// Whose devices they are.
const OWNER: &str = "ravelin-planed";

/// Makes [`OWNER`] the owner of everything that drives the device. Where there is no such user, planed is run by root.
///
/// # Errors
/// Names the file.
pub fn grant(root: &Root, pci: PciAddress) -> Result<(), Error> {
    if !root.is_live() {
        return Ok(());
    }
    let Ok(Some(owner)) = User::from_name(OWNER) else {
        return Ok(());
    };
    for path in needed(root, pci) {
        give(&path, owner.uid, owner.gid)?;
    }
    Ok(())
}

fn give(path: &PathBuf, user: Uid, group: Gid) -> Result<(), Error> {
    let outcome = chown(path, Some(user), Some(group));
    outcome.map_err(|errno| Error::file("change the owner of", path, errno.into()))
}

/// The files: configuration space and memory of the device, and the node of vfio (of its group) or of uio.
fn needed(root: &Root, pci: PciAddress) -> Vec<PathBuf> {
    let folder = root.path(format!("/sys/bus/pci/devices/{pci}"));
    let names = |folder: PathBuf| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
    };
    let of_device = |name: &String| name == "config" || name.starts_with("resource");
    let mut paths: Vec<PathBuf> = names(folder.clone())
        .filter(of_device)
        .map(|name| folder.join(name))
        .collect();
    let group = fs::read_link(folder.join("iommu_group")).ok();
    if let Some(group) = group.as_deref().and_then(|path| path.file_name()) {
        let group = group.to_string_lossy();
        let nodes = [
            format!("/dev/vfio/{group}"),
            format!("/dev/vfio/noiommu-{group}"),
        ];
        paths.extend(nodes.map(|node| root.path(node)));
    }
    paths.extend(names(folder.join("uio")).map(|name| root.path("/dev").join(name)));
    paths.retain(|path| path.exists());
    paths
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn nodes_and_memory_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        let pci: PciAddress = "0000:00:04.0".parse().unwrap();
        let device = format!("/sys/bus/pci/devices/{pci}");
        for file in ["config", "resource", "resource0", "irq", "uio/uio1/name"] {
            let path = root.path(format!("{device}/{file}"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let link = root.path(format!("{device}/iommu_group"));
        std::os::unix::fs::symlink("../../kernel/iommu_groups/7", link).unwrap();
        for node in ["/dev/vfio/7", "/dev/uio1", "/dev/uio0"] {
            let path = root.path(node);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let mut found = needed(&root, pci);
        found.sort();
        let expected = [
            "/dev/uio1".to_owned(),
            "/dev/vfio/7".to_owned(),
            format!("{device}/config"),
            format!("{device}/resource"),
            format!("{device}/resource0"),
        ];
        assert_eq!(found, expected.map(|path| root.path(path)));
    }
}
