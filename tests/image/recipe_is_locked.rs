//! The recipe of the image: every package is locked; a lock that lacks an entry, or whose package the mirror does not have or has
//! otherwise, ends the build with the package's name.
//!
//! The mirror is a server of the test's own: nothing is fetched from outside.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;

fn checkout() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_owned()
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| checkout().join("target"), PathBuf::from)
}

/// One package of the lock.
struct Locked {
    name: String,
    version: String,
    sha256: String,
    path: String,
}

fn lock() -> Vec<Locked> {
    let text = fs::read_to_string(checkout().join("image/packages/appliance.lock")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let [name, version, sha256, path] = words[..] else {
                panic!("not `name version sha256 path`: {line}");
            };
            Locked {
                name: name.to_owned(),
                version: version.to_owned(),
                sha256: sha256.to_owned(),
                path: path.to_owned(),
            }
        })
        .collect()
}

/// Names of a list of `image/packages`, without comments.
fn list(name: &str) -> Vec<String> {
    let text = fs::read_to_string(checkout().join("image/packages").join(name)).unwrap();
    let words = text.lines().map(|line| line.split('#').next().unwrap());
    let words = words.map(str::trim).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[test]
fn the_lock_names_every_package_of_the_list_with_its_digest() {
    let lock = lock();
    for package in &lock {
        let hexadecimal = package.sha256.chars().all(|c| c.is_ascii_hexdigit());
        assert!(
            hexadecimal && package.sha256.len() == 64,
            "{}: not a SHA-256",
            package.name
        );
        assert!(package.path.starts_with("pool/"), "{}", package.path);
        assert!(package.path.ends_with(".deb"), "{}", package.path);
        assert!(!package.version.is_empty());
    }
    for name in list("appliance.list") {
        assert_eq!(
            lock.iter().filter(|package| package.name == name).count(),
            1,
            "{name} in appliance.lock"
        );
    }
}

/// A copy of what the recipe reads, whose lock the test may change, and a cache of its own.
struct Recipe(tempfile::TempDir);

impl Recipe {
    fn new() -> Self {
        let recipe = Self(tempfile::tempdir_in(target()).unwrap());
        for part in ["image", "scripts", "Cargo.toml"] {
            copy(&checkout().join(part), &recipe.source().join(part));
        }
        for program in fs::read_dir(checkout().join("appliance/bin")).unwrap() {
            let manifest = Path::new("appliance/bin")
                .join(program.unwrap().file_name())
                .join("Cargo.toml");
            copy(
                &checkout().join(&manifest),
                &recipe.source().join(&manifest),
            );
        }
        fs::create_dir_all(recipe.cache().join("debs")).unwrap();
        recipe
    }

    fn source(&self) -> PathBuf {
        self.0.path().join("source")
    }

    fn cache(&self) -> PathBuf {
        self.0.path().join("cache")
    }

    /// The cache holds every package but this one, as far as their names tell.
    fn fetch_only(&self, wanted: &Locked) {
        for package in lock().iter().filter(|p| p.sha256 != wanted.sha256) {
            let file = format!("debs/{}.deb", package.sha256);
            fs::write(self.cache().join(file), "").unwrap();
        }
    }

    fn build(&self, mirror: &str) -> Output {
        Command::new("sh")
            .arg(self.source().join("image/build/image.sh"))
            .args(["--profile", "dev", "--only", "raw", "--out"])
            .arg(self.0.path().join("out"))
            .env("CARGO_TARGET_DIR", target())
            .env("X_IMAGE_CACHE", self.cache())
            .env("RAVELIN_MIRROR", mirror)
            .env_remove("http_proxy")
            .env_remove("HTTP_PROXY")
            .output()
            .unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success(), "cp {}", from.display());
}

/// A mirror that gives everybody the same answer.
fn mirror(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = BufReader::new(stream.try_clone().unwrap());
            let lines = request.lines().map_while(Result::ok);
            let _header: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

/// The build ended with status 2, and said all of this.
fn refused(output: &Output, words: &[&str]) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    for word in words {
        assert!(errors.contains(word), "no `{word}` in: {errors}");
    }
}

#[test]
fn a_package_without_a_lock_entry_is_named() {
    let recipe = Recipe::new();
    let file = recipe.source().join("image/packages/appliance.lock");
    let text = fs::read_to_string(&file).unwrap();
    let without: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("nftables "))
        .collect();
    fs::write(&file, without.join("\n") + "\n").unwrap();
    let output = recipe.build("http://127.0.0.1:9");
    refused(&output, &["no entry for nftables", "--update-lock"]);
}

#[test]
fn a_version_that_the_mirror_no_longer_has_is_named() {
    let recipe = Recipe::new();
    let wanted = lock().into_iter().find(|p| p.name == "frr").unwrap();
    recipe.fetch_only(&wanted);
    let gone = mirror("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let output = recipe.build(&format!("http://{gone}"));
    let line = format!("frr {}", wanted.version);
    refused(&output, &[&line, "404", "--update-lock"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        !errors.contains("\n  nftables "),
        "only what is gone: {errors}"
    );
}

#[test]
fn a_package_with_another_digest_is_not_used() {
    let recipe = Recipe::new();
    let wanted = lock().into_iter().find(|p| p.name == "sudo").unwrap();
    recipe.fetch_only(&wanted);
    let other = mirror("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nother");
    let output = recipe.build(&format!("http://{other}"));
    let line = format!("sudo {}", wanted.version);
    refused(&output, &[&line, "--update-lock"]);
    let kept = format!("debs/{}.deb", wanted.sha256);
    assert!(!recipe.cache().join(kept).exists());
}
