use super::*;

fn request(text: &str) -> (tempfile::TempDir, Result<(), Error>) {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::new(folder.path());
    for made in KEPT_FOLDERS.iter().chain(&["/run/ravelin/mgmtd"]) {
        fs::create_dir_all(root.path(made)).unwrap();
    }
    fs::create_dir(root.path("/data/keys/ssh")).unwrap();
    fs::write(root.path("/data/config/ravelin.conf"), "system").unwrap();
    fs::write(root.path("/run/ravelin").join(POWER_FILE), text).unwrap();
    let done = run(&root, &[]);
    assert!(!root.path("/run/ravelin").join(POWER_FILE).exists());
    (folder, done)
}

#[test]
fn a_request_is_carried_out_once() {
    let (folder, done) = request("reboot");
    done.unwrap();
    assert!(folder.path().join("data/config/ravelin.conf").exists());
    assert!(run(&Root::new(folder.path()), &[]).is_err());
    let (_folder, done) = request("halt");
    assert!(matches!(done, Err(Error::Unexpected(word)) if word == "halt"));
}

#[test]
fn a_node_can_forget_everything() {
    let (folder, done) = request("zeroize");
    done.unwrap();
    for kept in KEPT_FOLDERS {
        let path = Root::new(folder.path()).path(kept);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0, "{kept}");
    }
}

#[test]
fn what_stays_is_told_and_the_rest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::new(folder.path());
    // Not all folders are there; nobody, not even root, removes a folder as a file.
    for made in [
        "/data/config",
        "/data/machine-id",
        "/sys/class/tty/console",
        "/dev",
    ] {
        fs::create_dir_all(root.path(made)).unwrap();
    }
    fs::write(root.path("/data/config/ravelin.conf"), "system").unwrap();
    fs::write(root.path("/sys/class/tty/console/active"), "ttyS0\n").unwrap();
    fs::write(root.path("/dev/ttyS0"), "").unwrap();
    zeroize(&root);
    assert_eq!(fs::read_dir(root.path("/data/config")).unwrap().count(), 0);
    let told = fs::read_to_string(root.path("/dev/ttyS0")).unwrap();
    assert_eq!(told.matches("is not removed").count(), 1, "{told}");
    assert!(told.contains("/data/machine-id is not removed"), "{told}");
}
