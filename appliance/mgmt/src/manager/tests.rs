use super::*;
use crate::compile::tests::SITE;
use crate::kernel::{Handle, Order};
use crate::server::serve;
use ravelin_ctl::acceleration::{Acceleration, DeviceState};
use ravelin_ctl::operator::{DaemonQuery, DaemonReply, ProcessStatus};
use ravelin_ctl::{Envelope, Stream};
use ravelin_types::InstanceId;
use std::fs;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;

mod access;

/// A whole mgmtd but for the kernel, in a folder of its own.
struct Bench {
    folder: tempfile::TempDir,
    plans: Mutex<Receiver<Order>>,
}

impl Bench {
    fn new(text: Option<&str>) -> Self {
        Self::with(text, Settings::default())
    }

    fn with(text: Option<&str>, settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if let Some(text) = text {
            fs::write(folder.path().join("ravelin.conf"), text).unwrap();
        }
        Self::again(folder, settings)
    }

    /// Starts mgmtd in a folder that may have been used.
    fn again(folder: tempfile::TempDir, settings: Settings) -> Self {
        let (events, inbox) = channel();
        let (kernel, plans) = channel();
        let hello = Hello::new(Role::Mgmtd, InstanceId(1));
        let store = Store::new(&folder.path().join("ravelin.conf"), folder.path());
        let mut manager =
            Manager::new(store, settings, hello.clone(), inbox, Handle::new(kernel)).unwrap();
        let server = serve(folder.path(), hello).unwrap();
        thread::spawn(move || server.run(&events));
        thread::spawn(move || manager.run());
        Self {
            folder,
            plans: Mutex::new(plans),
        }
    }

    fn connect(&self, role: Role) -> Stream {
        let hello = Hello::new(role, InstanceId(2));
        let stream =
            Stream::connect(&self.folder.path().join("mgmtd.sock"), &hello, Role::Mgmtd).unwrap();
        stream
            .set_receive_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    fn daemon(&self, role: Role) -> Daemon {
        Daemon(self.connect(role))
    }

    fn ask(&self, request: ops::Request) -> ops::Reply {
        let mut stream = self.connect(Role::Operator);
        stream
            .send(&Envelope {
                id: 1,
                body: request,
            })
            .unwrap();
        let reply: Envelope<ops::Reply> = stream.receive().unwrap();
        assert_eq!(reply.id, 1);
        reply.body
    }

    fn load(&self, text: &str) -> ops::Reply {
        self.ask(ops::Request::LoadConfiguration {
            origin: "terminal".to_owned(),
            text: text.to_owned(),
        })
    }

    /// Loads on a thread, while the test plays the daemons.
    fn load_meanwhile<'a>(
        &'a self,
        scope: &'a thread::Scope<'a, '_>,
        text: &'a str,
    ) -> thread::ScopedJoinHandle<'a, ops::Reply> {
        scope.spawn(move || self.load(text))
    }

    fn process(&self, name: &str) -> ProcessStatus {
        let ops::Reply::Processes(all) = self.ask(ops::Request::ShowProcesses) else {
            panic!("processes");
        };
        all.into_iter().find(|p| p.name == name).unwrap()
    }

    /// Waits until mgmtd has noticed that a daemon left.
    fn until_gone(&self, name: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.process(name).connected {
            assert!(Instant::now() < deadline, "{name} is still there");
            thread::yield_now();
        }
    }

    fn stored(&self) -> String {
        fs::read_to_string(self.folder.path().join("ravelin.conf")).unwrap()
    }
}

/// The daemon's end of its connection.
struct Daemon(Stream);

impl Daemon {
    fn request(&mut self) -> Envelope<Request> {
        self.0.receive().unwrap()
    }

    fn answer(&mut self, id: u32, body: Reply) {
        self.0.send(&Envelope { id, body }).unwrap();
    }

    /// Expects a part and gives this verdict.
    fn prepare(&mut self, verdict: Result<(), String>) -> (Generation, Part) {
        let envelope = self.request();
        let Request::Prepare { generation, part } = envelope.body else {
            panic!("expected Prepare");
        };
        self.answer(envelope.id, Reply::Prepared(verdict));
        (generation, part)
    }

    fn apply(&mut self) -> Generation {
        let envelope = self.request();
        let Request::Apply(generation) = envelope.body else {
            panic!("expected Apply");
        };
        self.answer(envelope.id, Reply::Applied(Ok(generation)));
        generation
    }

    fn apply_fails(&mut self, why: &str) {
        let envelope = self.request();
        assert!(matches!(envelope.body, Request::Apply(_)));
        self.answer(envelope.id, Reply::Applied(Err(why.to_owned())));
    }

    fn aborted(&mut self) -> Generation {
        match self.request().body {
            Request::Abort(generation) => generation,
            _ => panic!("expected Abort"),
        }
    }

    /// Both steps.
    fn take(&mut self) -> (Generation, Part) {
        let taken = self.prepare(Ok(()));
        assert_eq!(self.apply(), taken.0);
        taken
    }
}

fn failed(reply: ops::Reply) -> String {
    match reply {
        ops::Reply::Failed(lines) => lines.join("\n"),
        _ => panic!("not refused"),
    }
}

fn loaded(reply: ops::Reply) -> Generation {
    match reply {
        ops::Reply::Loaded { generation, .. } => generation,
        ops::Reply::Failed(lines) => panic!("{lines:?}"),
        _ => panic!("another answer"),
    }
}

#[test]
fn each_daemon_gets_its_part_whenever_it_comes() {
    let bench = Bench::new(Some(SITE));
    let mut iked = bench.daemon(Role::Iked);
    let (generation, part) = iked.take();
    assert_eq!(generation, Generation(1));
    assert!(matches!(part, Part::Ike(ike) if ike.gateways.len() == 2));
    let mut planed = bench.daemon(Role::Planed);
    let (_, part) = planed.take();
    assert!(matches!(part, Part::Plane(plane) if plane.ports.len() == 2));
    let Ok(Order::Plan(plan)) = bench.plans.lock().unwrap().recv() else {
        panic!("a plan");
    };
    assert_eq!(plan.devices.len(), 4);
    // A restarted daemon replaces its old connection.
    let mut again = bench.daemon(Role::Iked);
    again.take();
    assert!(iked.0.receive::<Envelope<Request>>().is_err());
    assert!(bench.process("ravelin-iked").connected);
}

#[test]
fn a_commit_stores_and_applies_everywhere() {
    let bench = Bench::new(Some(SITE));
    let (mut iked, mut planed) = (bench.daemon(Role::Iked), bench.daemon(Role::Planed));
    iked.take();
    planed.take();
    let text = SITE.replacen("threshold 3", "threshold 4", 1);
    thread::scope(|scope| {
        let load = bench.load_meanwhile(scope, &text);
        let (generation, _) = iked.prepare(Ok(()));
        assert_eq!(generation, Generation(2));
        planed.prepare(Ok(()));
        iked.apply();
        planed.apply();
        assert_eq!(loaded(load.join().unwrap()), Generation(2));
    });
    assert_eq!(bench.stored(), text);
    assert_eq!(
        fs::read_to_string(bench.folder.path().join("ravelin.conf.1")).unwrap(),
        SITE
    );
    for name in ["ravelin-mgmtd", "ravelin-iked", "ravelin-planed"] {
        let process = bench.process(name);
        assert_eq!(
            (process.generation, process.error),
            (Generation(2), None),
            "{name}"
        );
    }
    let ops::Reply::Configuration(shown) = bench.ask(ops::Request::ShowConfiguration) else {
        panic!("configuration");
    };
    assert!(shown.contains("threshold 4;") && !shown.contains("backhaul-secret"));
}

#[test]
fn numbers_of_instances_outlive_commits_failures_and_restarts() {
    let text = |names: &[&str]| {
        let one = |name: &&str| format!("{name} {{ instance-type virtual-router; }}\n");
        let all: String = names.iter().map(one).collect();
        format!("routing-instances {{\n{all}}}\n")
    };
    let numbers = |bench: &Bench| {
        let Ok(Order::Plan(plan)) = bench.plans.lock().unwrap().recv() else {
            panic!("a plan");
        };
        let instances = plan.instances.into_iter();
        let pairs: Vec<(String, u16)> = instances.map(|i| (i.name, i.vrf.0)).collect();
        pairs
    };
    let pairs = |all: &[(&str, u16)]| {
        let all = all
            .iter()
            .map(|(name, number)| ((*name).to_owned(), *number));
        all.collect::<Vec<_>>()
    };
    let bench = Bench::new(Some(&text(&["blue", "red"])));
    assert_eq!(numbers(&bench), pairs(&[("blue", 1), ("red", 2)]));
    loaded(bench.load(&text(&["amber", "red"])));
    assert_eq!(numbers(&bench), pairs(&[("amber", 3), ("red", 2)]));
    // A commit that a daemon cannot carry out leaves no trace.
    let mut iked = bench.daemon(Role::Iked);
    iked.take();
    let green = text(&["green"]);
    thread::scope(|scope| {
        let load = bench.load_meanwhile(scope, &green);
        iked.prepare(Err("no".to_owned()));
        assert!(failed(load.join().unwrap()).contains("no"));
    });
    let Bench { folder, .. } = bench;
    fs::remove_file(folder.path().join("mgmtd.sock")).unwrap();
    let bench = Bench::again(folder, Settings::default());
    assert_eq!(numbers(&bench), pairs(&[("amber", 3), ("red", 2)]));
}

#[test]
fn a_refused_text_reaches_nobody() {
    let bench = Bench::new(Some(SITE));
    let line = |what: &str| 1 + SITE.lines().position(|l| l.contains(what)).unwrap();
    let fault = failed(bench.load(&SITE.replacen("threshold 3", "threshold 9", 1)));
    let wanted = format!(
        "terminal:{}:17: [security ike gateway enb-v4 dead-peer-detection threshold] `9` is not accepted; \
         expected a number of 1..5",
        line("threshold 3")
    );
    assert_eq!(fault, wanted);
    let text = SITE.replacen("local-address 192.0.2.1;", "local-address 192.0.2.9;", 1);
    let fault = failed(bench.load(&text));
    let wanted = format!(
        "terminal:{}:17: [security ike gateway enb-v4] `local-address` 192.0.2.9 is not",
        line("gateway enb-v4 {")
    );
    assert!(fault.starts_with(&wanted), "{fault}");
    assert_eq!(bench.stored(), SITE);
    assert_eq!(bench.process("ravelin-mgmtd").generation, Generation(1));
}

#[test]
fn one_daemon_that_cannot_prepare_aborts_all() {
    let bench = Bench::new(Some(SITE));
    let (mut iked, mut planed) = (bench.daemon(Role::Iked), bench.daemon(Role::Planed));
    iked.take();
    planed.take();
    thread::scope(|scope| {
        let load = bench.load_meanwhile(scope, "system { host-name b; }");
        iked.prepare(Ok(()));
        planed.prepare(Err("ge-0/0/0: no such device".to_owned()));
        assert_eq!(iked.aborted(), Generation(2));
        assert_eq!(planed.aborted(), Generation(2));
        assert_eq!(
            failed(load.join().unwrap()),
            "ravelin-planed: ge-0/0/0: no such device"
        );
    });
    assert_eq!(bench.stored(), SITE);
    assert_eq!(bench.process("ravelin-iked").generation, Generation(1));
}

#[test]
fn a_failed_apply_brings_the_old_configuration_back() {
    let bench = Bench::new(Some(SITE));
    let (mut iked, mut planed) = (bench.daemon(Role::Iked), bench.daemon(Role::Planed));
    iked.take();
    planed.take();
    thread::scope(|scope| {
        let load = bench.load_meanwhile(scope, "system { host-name b; }");
        iked.prepare(Ok(()));
        planed.prepare(Ok(()));
        iked.apply();
        planed.apply_fails("out of memory");
        let (generation, part) = iked.prepare(Ok(()));
        assert_eq!(generation, Generation(3));
        assert!(
            matches!(part, Part::Ike(ike) if ike.gateways.len() == 2),
            "the old part"
        );
        planed.prepare(Ok(()));
        iked.apply();
        planed.apply();
        let fault = failed(load.join().unwrap());
        assert!(
            fault.contains("out of memory") && fault.ends_with("runs again, as generation 3"),
            "{fault}"
        );
    });
    assert_eq!(bench.stored(), SITE);
    assert_eq!(bench.process("ravelin-planed").generation, Generation(3));
}

#[test]
fn a_silent_or_dying_daemon_fails_the_commit_only() {
    let settings = Settings {
        prepare: Duration::from_millis(200),
        ..Settings::default()
    };
    let bench = Bench::with(Some(SITE), settings);
    let mut iked = bench.daemon(Role::Iked);
    iked.take();
    let fault = failed(bench.load("system { host-name b; }"));
    assert!(
        fault.starts_with("ravelin-iked does not answer within"),
        "{fault}"
    );
    thread::scope(|scope| {
        let mut planed = bench.daemon(Role::Planed);
        planed.take();
        let load = bench.load_meanwhile(scope, "system { host-name b; }");
        assert!(matches!(planed.request().body, Request::Prepare { .. }));
        drop(planed);
        assert!(failed(load.join().unwrap()).contains("ravelin-planed went away"));
    });
    assert_eq!(bench.stored(), SITE);
    drop(iked);
    let absent = bench.ask(ops::Request::Daemon(DaemonQuery::Routes));
    assert_eq!(failed(absent), "ravelin-planed is not connected");
}

#[test]
fn a_broken_file_at_start_leaves_the_last_good_configuration() {
    let bench = Bench::new(Some(SITE));
    let Bench { folder, .. } = bench;
    fs::remove_file(folder.path().join("mgmtd.sock")).unwrap();
    fs::write(
        folder.path().join("ravelin.conf"),
        "system {\n    hostname b;\n}\n",
    )
    .unwrap();
    let bench = Bench::again(folder, Settings::default());
    let own = bench.process("ravelin-mgmtd");
    let error = own.error.unwrap();
    assert!(
        error.contains(
            "ravelin.conf:2:5: [system] unknown statement `hostname`; expected host-name or login"
        ),
        "{error}"
    );
    assert!(
        error.ends_with("(the last good one runs instead)"),
        "{error}"
    );
    let (generation, part) = bench.daemon(Role::Iked).take();
    assert_eq!(generation, Generation(2), "the counter survives a restart");
    assert!(matches!(part, Part::Ike(ike) if ike.gateways.len() == 2));
    bench.until_gone("ravelin-iked");
    loaded(bench.load(SITE));
    assert_eq!(bench.process("ravelin-mgmtd").error, None);
}

#[test]
fn a_broken_file_and_nothing_else_leaves_an_empty_configuration() {
    let bench = Bench::new(Some("nonsense;"));
    let error = bench.process("ravelin-mgmtd").error.unwrap();
    assert!(error.ends_with("(an empty one runs instead)"), "{error}");
    let (_, part) = bench.daemon(Role::Planed).take();
    assert!(matches!(part, Part::Plane(plane) if plane.ports.is_empty()));
}

#[test]
fn questions_are_passed_on_and_answers_back() {
    let bench = Bench::new(None);
    let mut iked = bench.daemon(Role::Iked);
    iked.take();
    thread::scope(|scope| {
        let asked = scope.spawn(|| bench.ask(ops::Request::Daemon(DaemonQuery::IkeSas)));
        let envelope = iked.request();
        assert!(matches!(
            envelope.body,
            Request::Operator(DaemonQuery::IkeSas)
        ));
        iked.answer(
            envelope.id,
            Reply::Operator(DaemonReply::IkeSas(Vec::new())),
        );
        let reply = asked.join().unwrap();
        assert!(matches!(reply, ops::Reply::Daemon(DaemonReply::IkeSas(sas)) if sas.is_empty()));
    });
    thread::scope(|scope| {
        let asked = scope.spawn(|| bench.ask(ops::Request::Daemon(DaemonQuery::IkeSas)));
        assert!(matches!(iked.request().body, Request::Operator(_)));
        drop(iked);
        assert_eq!(failed(asked.join().unwrap()), "the daemon went away");
    });
}

#[test]
fn a_second_mgmtd_is_refused() {
    let bench = Bench::new(None);
    let hello = Hello::new(Role::Mgmtd, InstanceId(3));
    let error = serve(bench.folder.path(), hello).map(drop).unwrap_err();
    assert!(matches!(error, MgmtError::Running(_)));
}

#[test]
fn the_device_holder_is_shown_while_it_lives() {
    let bench = Bench::new(None);
    assert!(!bench.process("ravelin-netd").connected);
    let listener =
        std::os::unix::net::UnixListener::bind(bench.folder.path().join("netd.sock")).unwrap();
    let holder = thread::spawn(move || {
        let hello = Hello::new(Role::Netd, InstanceId(4));
        let mut stream = Stream::open(listener.accept().unwrap().0, &hello).unwrap();
        let asked: Envelope<ravelin_ctl::netd::Request> = stream.receive().unwrap();
        let body = ravelin_ctl::netd::Reply::Devices(Vec::new());
        stream.send(&Envelope { id: asked.id, body }).unwrap();
    });
    assert!(bench.process("ravelin-netd").connected);
    assert!(
        bench.process("ravelin-netd").connected,
        "on the same connection"
    );
    holder.join().unwrap();
    assert!(!bench.process("ravelin-netd").connected);
}

#[test]
fn what_day_0_left_is_shown() {
    let bench = Bench::new(Some(SITE));
    let ask = || bench.ask(ops::Request::ShowDay0);
    assert_eq!(ask(), ops::Reply::Day0(None));
    let record = ravelin_ctl::day0::Record {
        messages: vec!["x".to_owned()],
        ..Default::default()
    };
    let place = bench.folder.path().join("day0.json");
    fs::write(&place, serde_json::to_vec(&record).unwrap()).unwrap();
    assert_eq!(ask(), ops::Reply::Day0(Some(record)));
    fs::write(&place, "{").unwrap();
    assert!(failed(ask()).contains("day0.json"));
}

#[test]
fn a_crypto_device_that_takes_no_packets_is_an_alarm() {
    let at = SITE.find("    ipsec {").unwrap() + "    ipsec {".len();
    let devices = "acceleration { device 0000:3d:01.0; device crypto_openssl0; }\n";
    let text = [&SITE[..at], devices, &SITE[at..]].concat();
    let bench = Bench::new(Some(&text));
    // Without planed there is nobody to ask.
    let alarms = |reply| match reply {
        ops::Reply::Alarms(alarms) => alarms,
        other => panic!("{other:?}"),
    };
    assert_eq!(alarms(bench.ask(ops::Request::ShowAlarms)), []);
    let mut planed = bench.daemon(Role::Planed);
    planed.take();
    let device = |name: &str, serves, remark: Option<&str>| DeviceState {
        name: name.to_owned(),
        serves,
        remark: remark.map(str::to_owned),
        ..DeviceState::default()
    };
    let states = vec![
        device("0000:3d:01.0", false, Some("failed, it was silent")),
        device("crypto_openssl0", true, None),
        device("crypto_openssl9", false, Some("not configured any more")),
    ];
    thread::scope(|scope| {
        let asked = scope.spawn(|| bench.ask(ops::Request::ShowAlarms));
        let envelope = planed.request();
        assert!(matches!(
            envelope.body,
            Request::Operator(DaemonQuery::Acceleration)
        ));
        let acceleration = Acceleration {
            devices: states,
            ..Acceleration::default()
        };
        let reply = Reply::Operator(DaemonReply::Acceleration(acceleration));
        planed.answer(envelope.id, reply);
        let told = alarms(asked.join().unwrap());
        let told: Vec<_> = told
            .iter()
            .map(|a| (a.subject.as_str(), a.text.as_str()))
            .collect();
        let text = "crypto device 0000:3d:01.0 takes no packets, the CPU does its ciphers: failed, it was silent";
        assert_eq!(told, [("0000:3d:01.0", text)]);
    });
    // iked is asked first, planed then; both are told.
    let mut iked = bench.daemon(Role::Iked);
    iked.take();
    thread::scope(|scope| {
        let asked = scope.spawn(|| bench.ask(ops::Request::ShowAlarms));
        let envelope = iked.request();
        assert!(matches!(
            envelope.body,
            Request::Operator(DaemonQuery::Alarms)
        ));
        let ends = ravelin_ctl::host::Alarm {
            severity: ravelin_ctl::host::Severity::Minor,
            subject: "certificate gw1".to_owned(),
            text: "`CN=gw1` ends in 9 days".to_owned(),
        };
        let reply = Reply::Operator(DaemonReply::Alarms(vec![ends.clone()]));
        iked.answer(envelope.id, reply);
        let envelope = planed.request();
        let reply = Reply::Operator(DaemonReply::Failed("not now".to_owned()));
        planed.answer(envelope.id, reply);
        assert_eq!(alarms(asked.join().unwrap()), [ends]);
    });
}
