//! Who may do what, the first password, and what runs without a good file.

use super::*;
use crate::kernel::{Handle, Order};
use ravelin_ctl::capture::{CaptureId, CaptureOrder};
use ravelin_ctl::host::POWER_FILE;
use ravelin_ctl::host::wanted::{Class, FIRST_UID, HostConfig, Password, PasswordHash};
use ravelin_ctl::operator::Power;
use ravelin_ctl::pki::PkiOrder;

const HASH: &str = "$6$saltsalt$0123456789abcdefghijklmnop";
const USERS: &str = "system { login {
    user anna { class super-user; authentication { ssh-ed25519 \"ssh-ed25519 AAAA\"; } }
    user olaf { class operator; }
    user rita { class read-only; }
} }";
const FACTORY: &str = "system { host-name factory; login { user admin { class super-user; } } }";

/// A manager without threads or sockets.
struct Alone {
    folder: tempfile::TempDir,
    manager: Manager,
    _plans: Receiver<Order>,
}

impl Alone {
    fn new(text: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if let Some(text) = text {
            fs::write(folder.path().join("ravelin.conf"), text).unwrap();
        }
        Self::again(folder)
    }

    fn again(folder: tempfile::TempDir) -> Self {
        fs::write(folder.path().join("factory.conf"), FACTORY).unwrap();
        let (_, inbox) = channel();
        let (kernel, plans) = channel();
        let hello = Hello::new(Role::Mgmtd, InstanceId(1));
        let store = Store::new(&folder.path().join("ravelin.conf"), folder.path());
        let store = store.with_factory(&folder.path().join("factory.conf"));
        let settings = Settings::default();
        let manager = Manager::new(store, settings, hello, inbox, Handle::new(kernel)).unwrap();
        Self {
            folder,
            manager,
            _plans: plans,
        }
    }

    fn ask(&mut self, uid: u32, request: ops::Request) -> ops::Reply {
        let (answer, inbox) = channel();
        self.manager.operator(Some(uid), request, answer);
        inbox.recv().unwrap()
    }

    fn session(&mut self, uid: u32) -> ops::Session {
        match self.ask(uid, ops::Request::Session) {
            ops::Reply::Session(session) => session,
            other => panic!("{other:?}"),
        }
    }

    fn uid(&self, name: &str) -> u32 {
        let users = self.host().users;
        users.iter().find(|u| u.name == name).unwrap().uid
    }

    fn host(&self) -> HostConfig {
        let text = fs::read(self.folder.path().join("host.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    fn set_password(&mut self, uid: u32) -> ops::Reply {
        let hash = PasswordHash::try_from(HASH.to_owned()).unwrap();
        self.ask(uid, ops::Request::SetPassword(hash))
    }
}

#[test]
fn a_class_may_do_what_it_may_and_no_more() {
    let mut alone = Alone::new(Some(USERS));
    let (anna, olaf, rita) = (alone.uid("anna"), alone.uid("olaf"), alone.uid("rita"));
    fs::create_dir(alone.folder.path().join("mgmtd")).unwrap();
    let load = || ops::Request::LoadConfiguration {
        origin: "terminal".to_owned(),
        text: USERS.to_owned(),
    };
    let clear = || ops::Request::Daemon(DaemonQuery::ClearIke(None));
    let show = || ops::Request::Daemon(DaemonQuery::IkeSas);
    let capture = || ops::Request::Daemon(DaemonQuery::Capture(CaptureOrder::Take(CaptureId(1))));
    let pki = |order| ops::Request::Daemon(DaemonQuery::Pki(Box::new(order)));
    let trust = || {
        pki(PkiOrder::LoadCa {
            profile: "any".to_owned(),
            file: vec![],
        })
    };
    let reboot = || ops::Request::Power(Power::Reboot);
    let secrets = || ops::Request::ExportConfiguration {
        set: false,
        secrets: true,
    };
    let denied = |reply: ops::Reply| matches!(reply, ops::Reply::Failed(lines) if lines[0].starts_with("permission denied"));
    for (uid, request, allowed) in [
        (rita, show(), true),
        (rita, clear(), false),
        (rita, load(), false),
        (rita, capture(), false),
        (olaf, capture(), true),
        (olaf, clear(), true),
        (olaf, load(), false),
        (olaf, trust(), false),
        (rita, pki(PkiOrder::ShowAuthorities), true),
        (anna, trust(), true),
        (olaf, reboot(), false),
        (olaf, secrets(), false),
        (anna, secrets(), true),
        (anna, clear(), true),
        (anna, load(), true),
        (0, load(), true),
    ] {
        assert_eq!(
            denied(alone.ask(uid, request.clone())),
            !allowed,
            "{uid}: {request:?}"
        );
    }
    let request = alone.folder.path().join(POWER_FILE);
    assert!(!request.exists());
    assert_eq!(alone.ask(anna, reboot()), ops::Reply::Accepted);
    assert_eq!(fs::read_to_string(request).unwrap(), "reboot");
    let stranger = failed(alone.ask(FIRST_UID + 900, show()));
    assert_eq!(stranger, "user id 2900 is not configured");
    let (answer, inbox) = channel();
    alone.manager.operator(None, show(), answer);
    assert!(matches!(inbox.recv().unwrap(), ops::Reply::Failed(_)));
    assert_eq!(alone.session(rita).class, Class::ReadOnly);
    assert!(!alone.session(anna).password_wanted, "a key will do");
}

#[test]
fn the_first_password_is_kept_and_the_next_one_is_an_administrators() {
    let mut alone = Alone::new(None);
    let admin = alone.uid("admin");
    let session = alone.session(admin);
    assert_eq!(
        (session.user.as_str(), session.class),
        ("admin", Class::SuperUser)
    );
    assert!(session.password_wanted && session.alarms.is_empty());
    assert_eq!(session.host_name.as_deref(), Some("factory"));
    loaded(alone.set_password(admin));
    let stored = fs::read_to_string(alone.folder.path().join("ravelin.conf")).unwrap();
    assert!(
        stored.contains(&format!("encrypted-password \"{HASH}\";")),
        "{stored}"
    );
    assert!(stored.contains("host-name factory;"), "{stored}");
    assert!(!alone.session(admin).password_wanted);
    assert!(matches!(&alone.host().users[0].password, Password::Hash(h) if h.expose() == HASH));
    let again = failed(alone.set_password(admin));
    assert!(again.contains("an administrator"), "{again}");
    // It is shown to nobody who does not ask for it.
    let ops::Reply::Configuration(shown) = alone.ask(admin, ops::Request::ShowConfiguration) else {
        panic!("configuration");
    };
    assert!(
        !shown.contains(HASH) && shown.contains("<hidden>"),
        "{shown}"
    );

    // The next configuration speaks of no users: those that there are stay.
    let text = "system { host-name gw1; }".to_owned();
    let origin = "terminal".to_owned();
    let reply = alone.ask(admin, ops::Request::LoadConfiguration { origin, text });
    let ops::Reply::Loaded { warnings, .. } = reply else {
        panic!("{reply:?}");
    };
    assert!(warnings[0].contains("users"), "{warnings:?}");
    let mut alone = Alone::again(alone.folder);
    assert_eq!(alone.uid("admin"), admin);
    let session = alone.session(admin);
    assert!(!session.password_wanted && session.host_name.as_deref() == Some("gw1"));
}

#[test]
fn a_text_joins_what_runs() {
    let mut alone = Alone::new(Some(USERS));
    let amend = |text: &str| ops::Request::AmendConfiguration {
        origin: "terminal".to_owned(),
        text: text.to_owned(),
    };
    loaded(alone.ask(
        0,
        amend("set system host-name gw7\ndelete system login user rita"),
    ));
    let stored = fs::read_to_string(alone.folder.path().join("ravelin.conf")).unwrap();
    assert!(stored.contains("host-name gw7;") && stored.contains("user olaf"));
    assert!(!stored.contains("rita"), "{stored}");
    let error = failed(alone.ask(0, amend("system {\n colour red;\n}")));
    assert!(
        error.starts_with("terminal:2:2: [system] unknown statement `colour`"),
        "{error}"
    );
    let set = ops::Request::ExportConfiguration {
        set: true,
        secrets: false,
    };
    let ops::Reply::Configuration(text) = alone.ask(0, set) else {
        panic!("configuration");
    };
    assert!(text.starts_with("set system host-name gw7\n"), "{text}");
}

#[test]
fn a_broken_file_and_no_good_one_leaves_the_factorys_and_an_alarm() {
    let alone = Alone::new(Some("system {\n    host-nam x;\n}\n"));
    let mut alone = Alone::again(alone.folder);
    let session = alone.session(0);
    assert_eq!(session.host_name.as_deref(), Some("factory"));
    let [alarm] = session.alarms.as_slice() else {
        panic!("{:?}", session.alarms);
    };
    assert!(
        alarm.contains("ravelin.conf:2:5: [system] unknown statement `host-nam`"),
        "{alarm}"
    );
    assert!(
        alarm.ends_with("(the factory default runs instead)"),
        "{alarm}"
    );
    let kept = fs::read_to_string(alone.folder.path().join("ravelin.conf.broken")).unwrap();
    assert!(kept.contains("host-nam x;"));
    let admin = alone.uid("admin");
    loaded(alone.set_password(admin));
    assert_eq!(alone.session(admin).alarms, Vec::<String>::new());
    assert!(alone.folder.path().join("ravelin.conf.broken").exists());
}

#[test]
fn a_disk_that_takes_nothing_changes_nothing_and_is_told() {
    let mut alone = Alone::new(Some(USERS));
    let path = alone.folder.path().join("host.json");
    fs::remove_file(&path).unwrap();
    // Nobody, not even root, replaces a folder by a file.
    fs::create_dir_all(path.join("x")).unwrap();
    let text = "system { host-name gw8; }".to_owned();
    let origin = "terminal".to_owned();
    let error = failed(alone.ask(0, ops::Request::AmendConfiguration { origin, text }));
    assert!(error.contains("host.json"), "{error}");
    let stored = fs::read_to_string(alone.folder.path().join("ravelin.conf")).unwrap();
    assert_eq!(stored, USERS);
    let mut alone = Alone::again(alone.folder);
    let session = alone.session(0);
    assert!(
        session.alarms[0].contains("host.json"),
        "{:?}",
        session.alarms
    );
    let fault = "the data partition is missing: nothing outlives a restart";
    fs::create_dir(alone.folder.path().join("host")).unwrap();
    fs::write(alone.folder.path().join("host/data-fault"), fault).unwrap();
    assert_eq!(alone.session(0).alarms[0], fault);
}
