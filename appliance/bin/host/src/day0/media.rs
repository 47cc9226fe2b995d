//! Disks for tests, made by the tools that people make them with.

use std::fs;
use std::path::Path;
use std::process::Command;

/// An ISO 9660 image; `options` are mkisofs' (`-R`, `-J`).
pub fn iso(label: &str, options: &[&str], files: &[(&str, &[u8])]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    let image = folder.path().join("image");
    fs::create_dir(&tree).unwrap();
    for (name, contents) in files {
        fs::write(tree.join(name), contents).unwrap();
    }
    iso_of(label, options, &tree, &image)
}

/// An ISO 9660 image of a folder.
pub fn iso_of(label: &str, options: &[&str], tree: &Path, image: &Path) -> Vec<u8> {
    let mut command = Command::new("xorriso");
    command.args(["-as", "mkisofs", "-quiet", "-V", label]);
    command.args(options).arg("-o").arg(image).arg(tree);
    run(command);
    fs::read(image).unwrap()
}

/// A FAT image of so many KiB, with table entries of `width` bits.
pub fn fat(label: &str, kib: u32, width: u32, files: &[(&str, &[u8])]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let mut command = Command::new("mkfs.vfat");
    command.args(["-n", label, "-s", "1", "-F", &width.to_string(), "-C"]);
    command.arg(&image).arg(kib.to_string());
    run(command);
    for (name, contents) in files {
        let file = folder.path().join("file");
        fs::write(&file, contents).unwrap();
        let mut command = Command::new("mcopy");
        command.arg("-i").arg(&image).arg(&file);
        run({
            command.arg(format!("::{name}"));
            command
        });
    }
    fs::read(&image).unwrap()
}

fn run(mut command: Command) {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}
