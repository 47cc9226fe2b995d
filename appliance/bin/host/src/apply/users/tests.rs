use super::*;
use ravelin_ctl::host::wanted::PasswordHash;
use std::path::PathBuf;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nfrr:x:110:112::/run/frr:/usr/sbin/nologin\n";
const SHADOW: &str = "root:*:20000:0:99999:7:::\nfrr:!*:20000::::::\n";
const GROUP: &str = "root:x:0:\nravelin-cli:x:605:\nravelin-shell:x:606:\nfrr:x:112:\n";
const HASH: &str = "$6$saltsalt$0123456789abcdefghijklmnop";

struct Machine {
    _folder: tempfile::TempDir,
    root: Root,
}

fn machine() -> Machine {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::new(folder.path());
    fs::create_dir(root.path("/etc")).unwrap();
    for (path, text) in [
        ("/etc/passwd", PASSWD),
        ("/etc/shadow", SHADOW),
        ("/etc/group", GROUP),
    ] {
        fs::write(root.path(path), text).unwrap();
    }
    fs::set_permissions(root.path("/etc/shadow"), Permissions::from_mode(0o640)).unwrap();
    Machine {
        _folder: folder,
        root,
    }
}

impl Machine {
    fn apply(&self, users: &[User]) -> Vec<String> {
        let mut faults = Vec::new();
        apply(&self.root, users, &mut faults);
        faults
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.path(path)).unwrap()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path(path)
    }
}

fn user(name: &str, uid: u32, class: Class, password: Password) -> User {
    User {
        name: name.to_owned(),
        uid,
        full_name: None,
        class,
        password,
        keys: Vec::new(),
    }
}

#[test]
fn users_come_change_and_go_beside_those_of_the_system() {
    let machine = machine();
    let hash = Password::Hash(PasswordHash::try_from(HASH.to_owned()).unwrap());
    let mut watch = user("watch", 2002, Class::ReadOnly, Password::Locked);
    watch.keys = vec!["ssh-ed25519 AAAA watch".to_owned()];
    watch.full_name = Some("W: Atch".to_owned());
    let admin = user("admin", 2001, Class::SuperUser, Password::Unset);
    let faults = machine.apply(&[admin, watch]);
    assert_eq!(faults, Vec::<String>::new());
    let passwd = format!(
        "{PASSWD}admin:x:2001:605::{HOMES}/admin:/usr/bin/ravelin\n\
         watch:x:2002:605:W  Atch:{HOMES}/watch:/usr/bin/ravelin\n"
    );
    assert_eq!(machine.text("/etc/passwd"), passwd);
    let shadow = machine.text("/etc/shadow");
    assert!(shadow.contains("\nadmin::20000:") && shadow.contains("\nwatch:*:20000:"));
    let group = machine.text("/etc/group");
    assert!(group.contains("ravelin-cli:x:605:admin,watch\nravelin-shell:x:606:admin\n"));
    assert_eq!(
        machine.text("/etc/ssh/authorized_keys.d/watch"),
        "ssh-ed25519 AAAA watch\n"
    );
    let home = fs::metadata(machine.path(&format!("{HOMES}/watch"))).unwrap();
    assert_eq!(
        (home.mode() & 0o777, home.uid(), home.gid()),
        (0o700, 2002, 605)
    );
    let mode = fs::metadata(machine.path("/etc/shadow")).unwrap().mode();
    assert_eq!(mode & 0o777, 0o640);

    let admin = user("admin", 2001, Class::Operator, hash);
    assert_eq!(
        machine.apply(std::slice::from_ref(&admin)),
        Vec::<String>::new()
    );
    let shadow = machine.text("/etc/shadow");
    assert_eq!(shadow, format!("{SHADOW}admin:{HASH}:20000:0:99999:7:::\n"));
    assert!(
        machine
            .text("/etc/group")
            .contains("ravelin-shell:x:606:\n")
    );
    assert!(!machine.path("/etc/ssh/authorized_keys.d/watch").exists());
    let before = fs::metadata(machine.path("/etc/passwd"))
        .unwrap()
        .modified()
        .unwrap();
    machine.apply(&[admin]);
    let after = fs::metadata(machine.path("/etc/passwd"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(before, after, "nothing to do, and something was done");
}

#[test]
fn an_account_of_the_system_is_nobodys() {
    let machine = machine();
    let users = [
        user("frr", 2001, Class::SuperUser, Password::Unset),
        user("anna", 2002, Class::Operator, Password::Locked),
    ];
    assert_eq!(
        machine.apply(&users),
        ["user `frr` is an account of the system"]
    );
    assert!(machine.text("/etc/shadow").starts_with(SHADOW));
    assert!(
        machine
            .text("/etc/passwd")
            .ends_with(&format!("anna:x:2002:605::{HOMES}/anna:/usr/bin/ravelin\n"))
    );
}
