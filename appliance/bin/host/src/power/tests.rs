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
