//! The OVA as others see it: made by the image's own recipe, taken apart by tar, and read by qemu-img, sha256sum and xmllint.
//!
//! It does not import it anywhere: that needs ESXi.

use crate::netns::run;
use crate::{BenchError, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The networks of the NICs, in the order of the NICs: fxp0, ge-0/0/0, ge-0/0/1.
pub const NETWORKS: [&str; 3] = ["Management", "Untrust", "Trust"];

/// An OVA on disk.
pub struct Ova {
    /// The archive.
    pub path: PathBuf,
    /// Name without suffix, which its members have too.
    pub name: String,
}

/// The checkout.
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

impl Ova {
    /// Makes `folder/name.ova` of a disk by `image/build/ova.sh`.
    ///
    /// # Errors
    /// When the recipe fails.
    pub fn make(disk: &Path, folder: &Path, name: &str) -> Result<Self> {
        run(Command::new("sh")
            .arg(checkout().join("image/build/ova.sh"))
            .env("X_SRC", checkout())
            .env("IMAGE_OUT", folder)
            .env("IMAGE_NAME", name)
            .env("IMAGE_VERSION", env!("CARGO_PKG_VERSION"))
            .env("IMAGE_QCOW2", disk)
            .env("SOURCE_DATE_EPOCH", "1700000000"))?;
        Ok(Self::at(folder, name))
    }

    /// The one at `folder/name.ova`.
    pub fn at(folder: &Path, name: &str) -> Self {
        Self {
            path: folder.join(format!("{name}.ova")),
            name: name.to_owned(),
        }
    }

    /// Takes it apart into `folder`, which is made.
    ///
    /// # Errors
    /// When tar fails.
    pub fn unpack(&self, folder: &Path) -> Result<Parts> {
        std::fs::create_dir_all(folder)
            .map_err(|e| BenchError::io(format!("make {}", folder.display()), e))?;
        run(Command::new("tar")
            .arg("--extract")
            .arg("--file")
            .arg(&self.path)
            .arg("--directory")
            .arg(folder))?;
        Ok(Parts {
            folder: folder.to_owned(),
            name: self.name.clone(),
        })
    }

    /// Its members in the order of the archive, with mode and owner, as tar lists them.
    ///
    /// # Errors
    /// When tar fails.
    pub fn members(&self) -> Result<Vec<String>> {
        let listing = run(Command::new("tar")
            .args(["--list", "--verbose", "--numeric-owner", "--file"])
            .arg(&self.path))?;
        Ok(listing.lines().map(str::to_owned).collect())
    }
}

/// An OVA taken apart.
#[derive(Debug)]
pub struct Parts {
    folder: PathBuf,
    name: String,
}

impl Parts {
    /// The descriptor.
    pub fn ovf(&self) -> PathBuf {
        self.folder.join(format!("{}.ovf", self.name))
    }

    /// The disk.
    pub fn vmdk(&self) -> PathBuf {
        self.folder.join(format!("{}-disk1.vmdk", self.name))
    }

    /// Value of an `XPath` expression of the descriptor.
    ///
    /// # Errors
    /// When the descriptor is no XML or the expression selects nothing.
    pub fn value(&self, xpath: &str) -> Result<String> {
        let value = run(Command::new("xmllint")
            .args(["--nonet", "--xpath", xpath])
            .arg(self.ovf()))?;
        Ok(value.trim().to_owned())
    }

    /// `sha256sum --check` of the manifest, whose lines are `SHA256(file)= digest`.
    ///
    /// # Errors
    /// When a line has another form, a file is missing from it, or a digest is wrong.
    pub fn check_manifest(&self) -> Result<()> {
        let path = self.folder.join(format!("{}.mf", self.name));
        let text = std::fs::read_to_string(&path)
            .map_err(|e| BenchError::io(format!("read {}", path.display()), e))?;
        let mut list = String::new();
        for line in text.lines() {
            let (file, digest) = line
                .strip_prefix("SHA256(")
                .and_then(|rest| rest.split_once(")= "))
                .ok_or_else(|| BenchError::Unexpected(format!("manifest line `{line}`")))?;
            list.push_str(&format!("{digest}  {file}\n"));
        }
        for file in [self.ovf(), self.vmdk()] {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            if !list.contains(&format!("  {name}\n")) {
                return Err(BenchError::Unexpected(format!("the manifest lacks {name}")));
            }
        }
        let sums = self.folder.join("sha256");
        std::fs::write(&sums, list)
            .map_err(|e| BenchError::io(format!("write {}", sums.display()), e))?;
        run(Command::new("sha256sum")
            .args(["--check", "--strict", "sha256"])
            .current_dir(&self.folder))
        .map(drop)
    }

    /// Whether the disk is sound and holds exactly what `disk` (a qcow2) does.
    ///
    /// # Errors
    /// When qemu-img says otherwise.
    pub fn check_disk(&self, disk: &Path) -> Result<()> {
        run(Command::new("qemu-img").arg("check").arg(self.vmdk()))?;
        run(Command::new("qemu-img")
            .args(["compare", "-f", "vmdk", "-F", "qcow2"])
            .arg(self.vmdk())
            .arg(disk))
        .map(drop)
    }

    /// The elements of each `Item` of the descriptor, in their order. ESXi and the CIM schema want them sorted by name.
    ///
    /// # Errors
    /// When the descriptor cannot be read.
    pub fn items(&self) -> Result<Vec<Vec<String>>> {
        let text = std::fs::read_to_string(self.ovf())
            .map_err(|e| BenchError::io(format!("read {}", self.ovf().display()), e))?;
        let of_item = |item: &str| {
            item.split("<rasd:")
                .skip(1)
                .filter_map(|rest| rest.split('>').next().map(str::to_owned))
                .collect()
        };
        Ok(text
            .split("<Item")
            .skip(1)
            .filter_map(|rest| rest.split("</Item>").next().map(of_item))
            .collect())
    }
}

/// Everything that is judged of an OVA, whatever disk it was made of.
///
/// # Errors
/// [`BenchError`] that names what is wrong.
pub fn judge(ova: &Ova, disk: &Path, folder: &Path) -> Result<Parts> {
    let members = ova.members()?;
    let names: Vec<&str> = members
        .iter()
        .filter_map(|line| line.rsplit(' ').next())
        .collect();
    let wanted = [".ovf", ".mf", "-disk1.vmdk"].map(|end| format!("{}{end}", ova.name));
    expect("members of the archive", &names, &wanted)?;
    for line in &members {
        if !line.starts_with("-rw-r--r-- 0/0 ") {
            return Err(BenchError::Unexpected(format!("member `{line}`")));
        }
    }
    let parts = ova.unpack(folder)?;
    parts.check_manifest()?;
    parts.check_disk(disk)?;
    for item in parts.items()? {
        if !item.is_sorted() {
            return Err(BenchError::Unexpected(format!("order of {item:?}")));
        }
    }
    let octets = |path: &Path| std::fs::metadata(path).map(|of| of.len().to_string());
    let size = octets(&parts.vmdk()).map_err(|e| BenchError::io("size of the disk", e))?;
    let named = parts.value("string(//*[local-name()='File']/@*[local-name()='size'])")?;
    expect("size of the disk's file", &[named], &[size])?;
    let networks: Vec<String> = (1..=NETWORKS.len())
        .map(|nic| parts.value(&resource(nic, "10", "Connection")))
        .collect::<Result<_>>()?;
    expect("networks of the NICs", &networks, &NETWORKS)?;
    for (what, xpath, wanted) in [
        ("memory", resource(1, "4", "VirtualQuantity"), "4096"),
        ("CPUs", resource(1, "3", "VirtualQuantity"), "4"),
        ("disk controller", resource(1, "6", "ResourceSubType"), "VirtualSCSI"),
        ("disk", resource(1, "17", "HostResource"), "ovf:/disk/vmdisk1"),
        ("parent of the disk", resource(1, "17", "Parent"), "3"),
        ("NIC", resource(NETWORKS.len(), "10", "ResourceSubType"), "VmxNet3"),
        ("NIC too many", resource(NETWORKS.len() + 1, "10", "InstanceID"), ""),
        ("firmware", "string(//*[local-name()='Config'][@*[local-name()='key']='firmware']/@*[local-name()='value'])".to_owned(), "efi"),
    ] {
        expect(what, &[parts.value(&xpath)?], &[wanted])?;
    }
    Ok(parts)
}

/// `XPath` of an element of the nth item of the CIM resource type.
fn resource(nth: usize, kind: &str, element: &str) -> String {
    format!(
        "string((//*[local-name()='Item'][*[local-name()='ResourceType']='{kind}'])[{nth}]/*[local-name()='{element}'])"
    )
}

fn expect<A: AsRef<str>, B: AsRef<str>>(what: &str, seen: &[A], wanted: &[B]) -> Result<()> {
    let seen: Vec<&str> = seen.iter().map(AsRef::as_ref).collect();
    let wanted: Vec<&str> = wanted.iter().map(AsRef::as_ref).collect();
    if seen == wanted {
        return Ok(());
    }
    Err(BenchError::Unexpected(format!(
        "{what}: {seen:?} instead of {wanted:?}"
    )))
}
