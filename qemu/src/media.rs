//! Media for guests, made from files: an ISO, a FAT disk. Both carry a label, by which guests find them.

use crate::process::run;
use crate::{Lab, Result, VmError};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Size of a FAT disk: a stick with a few texts.
const FAT_MIB: u64 = 8;

/// An ISO 9660 image (with Joliet and Rock Ridge names) of files, by name and contents.
///
/// # Errors
/// When xorriso fails.
pub fn iso(lab: &Lab, label: &str, files: &[(&str, &[u8])]) -> Result<PathBuf> {
    let (tree, image) = places(lab, label, "iso")?;
    put(&tree, files)?;
    let mut command = Command::new("xorriso");
    command.args(["-as", "mkisofs", "-quiet", "-J", "-r", "-V", label, "-o"]);
    run(command.arg(&image).arg(&tree))?;
    Ok(image)
}

/// A disk without partitions that holds a FAT file system of files.
///
/// # Errors
/// When mkfs.vfat or mcopy fail.
pub fn fat(lab: &Lab, label: &str, files: &[(&str, &[u8])]) -> Result<PathBuf> {
    let (tree, image) = places(lab, label, "fat")?;
    put(&tree, files)?;
    let file = std::fs::File::create(&image).map_err(|e| VmError::io("make a FAT disk", e))?;
    file.set_len(FAT_MIB << 20)
        .map_err(|e| VmError::io("make a FAT disk", e))?;
    // The tools are in sbin, which not everybody's PATH has.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let mut command = Command::new("mkfs.vfat");
    run(command.env("PATH", path).args(["-n", label]).arg(&image))?;
    for (name, _) in files {
        let mut command = Command::new("mcopy");
        command.arg("-i").arg(&image).arg(tree.join(name));
        run(command.arg(format!("::{name}")))?;
    }
    Ok(image)
}

/// A new folder for the files and the name of the image, below the lab's disks.
fn places(lab: &Lab, label: &str, kind: &str) -> Result<(PathBuf, PathBuf)> {
    for number in 0.. {
        let tree = lab.disks().join(format!("{label}-{number}"));
        match std::fs::create_dir(&tree) {
            Ok(()) => return Ok((tree.clone(), tree.with_extension(kind))),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(VmError::io(format!("make {}", tree.display()), e)),
        }
    }
    Err(VmError::Unexpected("no name is left".to_owned()))
}

fn put(tree: &Path, files: &[(&str, &[u8])]) -> Result<()> {
    for (name, contents) in files {
        let path = tree.join(name);
        std::fs::write(&path, contents)
            .map_err(|e| VmError::io(format!("write {}", path.display()), e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
