//! A list of what the appliance is made of, as the crate `spdx-rs` reads it. It knows SPDX 2.2 and the additions of 2.3 that we use,
//! and refuses kinds of relationships, digests and licence expressions that are not of the standard.

use crate::{BenchError, Result};
use spdx_rs::models::{Algorithm, PackageInformation, RelationshipType, SPDX};
use std::collections::BTreeSet;
use std::path::Path;

/// A document.
pub struct Sbom(SPDX);

/// SHA-256 of a package, in hexadecimal.
///
/// # Errors
/// When it has none, or one of another form.
pub fn digest(package: &PackageInformation) -> Result<&str> {
    let found = package
        .package_checksum
        .iter()
        .find(|of| of.algorithm == Algorithm::SHA256)
        .map(|of| of.value.as_str());
    found
        .filter(|hex| hex.len() == 64 && hex.bytes().all(|octet| octet.is_ascii_hexdigit()))
        .ok_or_else(|| wrong(package, "has no SHA-256"))
}

fn wrong(package: &PackageInformation, what: &str) -> BenchError {
    let id = &package.package_spdx_identifier;
    BenchError::Unexpected(format!("{id} {what}"))
}

impl Sbom {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is not SPDX.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| BenchError::io(format!("read {}", path.display()), e))?;
        let document = serde_json::from_str(&text)
            .map_err(|e| BenchError::Unexpected(format!("{}: {e}", path.display())))?;
        Ok(Self(document))
    }

    /// The package with that identifier.
    ///
    /// # Errors
    /// When there is none.
    pub fn package(&self, id: &str) -> Result<&PackageInformation> {
        let found = self.packages().find(|of| of.package_spdx_identifier == id);
        found.ok_or_else(|| BenchError::Unexpected(format!("no package {id}")))
    }

    /// All packages.
    pub fn packages(&self) -> impl Iterator<Item = &PackageInformation> {
        self.0.package_information.iter()
    }

    /// Identifiers of what is linked into a program.
    pub fn linked_into(&self, program: &str) -> BTreeSet<&str> {
        self.0
            .relationships
            .iter()
            .filter(|of| of.relationship_type == RelationshipType::StaticLink)
            .filter(|of| of.spdx_element_id == program)
            .map(|of| of.related_spdx_element.as_str())
            .collect()
    }

    /// What holds of every list of ours: identifiers are unique, relationships lead somewhere, everything that somebody else made
    /// has a version and, but for the standard library of Rust, the digest of what was installed.
    ///
    /// # Errors
    /// [`BenchError::Unexpected`] that names the package.
    pub fn check(&self) -> Result<()> {
        let creation = &self.0.document_creation_information;
        if creation.spdx_version != "SPDX-2.3" {
            let version = &creation.spdx_version;
            return Err(BenchError::Unexpected(format!("version {version}")));
        }
        let mut known = BTreeSet::from(["SPDXRef-DOCUMENT"]);
        for package in self.packages() {
            let id = package.package_spdx_identifier.as_str();
            if !known.insert(id) {
                return Err(wrong(package, "is there twice"));
            }
            if package.package_version.as_deref().is_none_or(str::is_empty) {
                return Err(wrong(package, "has no version"));
            }
            let locked = package.package_download_location != "NONE" && id != "SPDXRef-rust-std";
            if locked || id.starts_with("SPDXRef-program-") {
                digest(package)?;
            }
        }
        for relationship in &self.0.relationships {
            for end in [
                &relationship.spdx_element_id,
                &relationship.related_spdx_element,
            ] {
                if !known.contains(end.as_str()) {
                    let text = format!("a relationship names {end}, which is not there");
                    return Err(BenchError::Unexpected(text));
                }
            }
        }
        Ok(())
    }
}
