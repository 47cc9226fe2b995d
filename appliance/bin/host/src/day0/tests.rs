use super::*;
use crate::day0::media::{fat, iso};
use ravelin_ctl::day0::{Kind, RECORD_FILE};
use std::os::unix::fs::PermissionsExt;

const GOOD: &str = "system {\n    host-name gw1;\n}\n";
const BAD: &str = "system {\n    hostname gw1;\n}\n";

/// A machine that boots as often as it is asked.
struct Machine {
    folder: tempfile::TempDir,
    root: Root,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path());
        for path in [
            "/dev",
            "/data/config",
            "/sys/class/block",
            "/usr/share/ravelin",
        ] {
            fs::create_dir_all(root.path(path)).unwrap();
        }
        fs::write(root.path(FACTORY_DEFAULT), "system { host-name factory; }").unwrap();
        Self { folder, root }
    }

    fn insert(&self, name: &str, image: &[u8]) {
        let block = self.root.path("/sys/class/block").join(name);
        fs::create_dir_all(&block).unwrap();
        fs::write(block.join("size"), "1\n").unwrap();
        fs::write(self.root.path("/dev").join(name), image).unwrap();
    }

    fn boot(&self) -> Record {
        run(&self.root, &[]).unwrap();
        let text = fs::read(self.configuration().with_file_name(RECORD_FILE)).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    fn configuration(&self) -> std::path::PathBuf {
        self.root.path("/data/config/ravelin.conf")
    }

    fn stored(&self) -> Option<String> {
        fs::read_to_string(self.configuration()).ok()
    }

    fn alarm(&self) -> Option<String> {
        let text = fs::read(self.root.path("/run/ravelin/host/day0.json")).ok()?;
        let told: Told = serde_json::from_slice(&text).unwrap();
        let [alarm] = told.alarms.try_into().unwrap();
        assert_eq!(
            (alarm.severity, alarm.subject.as_str()),
            (Severity::Major, "day-0")
        );
        Some(alarm.text)
    }

    fn issue(&self) -> Option<String> {
        fs::read_to_string(self.root.path(ISSUE)).ok()
    }
}

fn seed(user_data: &str) -> Vec<u8> {
    let files: &[(&str, &[u8])] = &[("user-data", user_data.as_bytes()), ("meta-data", b"")];
    iso("cidata", &["-R", "-J"], files)
}

#[test]
fn nothing_found_leaves_the_factory_default() {
    let machine = Machine::new();
    let record = machine.boot();
    assert_eq!(record, Record::default());
    assert_eq!((machine.stored(), machine.issue()), (None, None));
}

#[test]
fn a_seed_is_applied_once_and_told() {
    let machine = Machine::new();
    machine.insert("sr0", &seed(GOOD));
    let first = machine.boot();
    assert_eq!(first.outcome, Outcome::Applied);
    assert_eq!(machine.stored().as_deref(), Some(GOOD));
    let told = "configuration applied from sr0 (ISO 9660 cidata), NoCloud seed";
    assert_eq!(first.messages, [told]);
    assert_eq!(machine.issue().unwrap(), format!("ravelin: {told}\n"));

    let second = machine.boot();
    assert_eq!(
        (second.outcome, second.applied),
        (Outcome::Configured, first.applied)
    );
    assert_eq!(machine.issue(), None);

    fs::write(machine.configuration(), "set system host-name mine").unwrap();
    machine.boot();
    assert_eq!(
        machine.stored().as_deref(),
        Some("set system host-name mine")
    );
}

#[test]
fn another_seed_beside_a_configuration_is_told_and_not_applied() {
    let machine = Machine::new();
    machine.insert("sr0", &seed(GOOD));
    let first = machine.boot();
    machine.insert("sr0", &seed(&GOOD.replace("gw1", "gw2")));
    let second = machine.boot();
    assert_eq!(
        (second.outcome, &second.applied),
        (Outcome::NotApplied, &first.applied)
    );
    assert_eq!(machine.stored().as_deref(), Some(GOOD));
    assert!(
        machine
            .issue()
            .unwrap()
            .contains("sr0 (ISO 9660 cidata) is not applied")
    );
}

#[test]
fn a_configuration_without_a_record_wins() {
    let machine = Machine::new();
    fs::write(machine.configuration(), "set system host-name mine").unwrap();
    machine.insert("sr0", &seed(GOOD));
    assert_eq!(machine.boot().outcome, Outcome::NotApplied);
    assert_eq!(
        machine.stored().as_deref(),
        Some("set system host-name mine")
    );
}

#[test]
fn power_lost_between_the_two_files_is_no_second_seed() {
    let machine = Machine::new();
    machine.insert("sr0", &seed(GOOD));
    fs::write(machine.configuration(), GOOD).unwrap();
    let record = machine.boot();
    assert_eq!(record.outcome, Outcome::Applied);
    assert_eq!(record.applied.unwrap().kind, Kind::NoCloud);
}

#[test]
fn a_broken_seed_is_told_with_its_line_and_a_repaired_one_applied() {
    let machine = Machine::new();
    machine.insert(
        "vdb",
        &fat("CIDATA", 1440, 12, &[("user-data", BAD.as_bytes())]),
    );
    for _ in 0..2 {
        let record = machine.boot();
        assert_eq!((record.outcome, &record.applied), (Outcome::Refused, &None));
        assert_eq!(machine.stored(), None);
        let issue = machine.issue().unwrap();
        let place =
            "ravelin: vdb (FAT CIDATA): user-data:2:5: [system] unknown statement `hostname`";
        assert!(issue.starts_with(place), "{issue}");
        let end = "ravelin: vdb (FAT CIDATA) is refused: factory default runs\n";
        assert!(issue.ends_with(end), "{issue}");
        let alarm = machine.alarm().unwrap();
        let place = "factory default runs: vdb (FAT CIDATA): user-data:2:5: [system] unknown";
        assert!(alarm.starts_with(place), "{alarm}");
    }
    machine.insert(
        "vdb",
        &fat("CIDATA", 1440, 12, &[("user-data", GOOD.as_bytes())]),
    );
    assert_eq!(machine.boot().outcome, Outcome::Applied);
    assert_eq!(machine.stored().as_deref(), Some(GOOD));
    assert_eq!(machine.alarm(), None);
}

#[test]
fn a_seed_whose_configuration_was_removed_is_not_applied_again() {
    let machine = Machine::new();
    machine.insert("sr0", &seed(GOOD));
    machine.boot();
    fs::remove_file(machine.configuration()).unwrap();
    let record = machine.boot();
    assert_eq!(record.outcome, Outcome::FactoryDefault);
    assert_eq!(machine.stored(), None);
    assert!(record.messages[0].contains("was applied before"));
}

#[test]
fn a_host_name_alone_is_added_to_the_factory_default() {
    let machine = Machine::new();
    machine.insert("sda", &seed("#cloud-config\nhostname: gw9\nruncmd: [x]\n"));
    let record = machine.boot();
    assert_eq!(
        machine.stored().unwrap(),
        "system {\n    host-name gw9;\n}\n"
    );
    assert_eq!(
        record.messages[1],
        "sda (ISO 9660 cidata): user-data:3: `runcmd` is not used"
    );
}

#[test]
fn a_seed_that_says_nothing_changes_nothing() {
    let machine = Machine::new();
    machine.insert("sda", &seed("#cloud-config\n"));
    let record = machine.boot();
    assert_eq!(record.outcome, Outcome::FactoryDefault);
    assert_eq!(record.messages, ["sda (ISO 9660 cidata) says nothing"]);
}

#[test]
fn a_disk_that_takes_nothing_leaves_the_factory_default() {
    let machine = Machine::new();
    machine.insert("sr0", &seed(GOOD));
    // In the way of the temporary file, even for root; as full a disk as a folder can be.
    fs::create_dir(machine.configuration().with_extension("conf.new")).unwrap();
    let record = machine.boot();
    assert_eq!((record.outcome, record.applied), (Outcome::NotStored, None));
    assert!(record.messages[0].contains("cannot be stored, factory default runs"));
    let alarm = machine.alarm().unwrap();
    assert!(alarm.contains("cannot be stored"), "{alarm}");
}

#[test]
fn a_damaged_record_is_told_and_made_anew() {
    let machine = Machine::new();
    fs::write(machine.configuration(), GOOD).unwrap();
    fs::write(machine.configuration().with_file_name(RECORD_FILE), "{").unwrap();
    let record = machine.boot();
    assert_eq!(record.outcome, Outcome::Configured);
    assert!(
        record.messages[0].contains("day0.json"),
        "{:?}",
        record.messages
    );
}

#[test]
fn texts_of_strangers_are_tamed() {
    let machine = Machine::new();
    machine.insert(
        "sr0",
        &seed(&format!(
            "#cloud-config\n\"\\e[2J{}\": x\n",
            "y".repeat(900)
        )),
    );
    let record = machine.boot();
    let longest = record.messages.iter().map(|m| m.chars().count()).max();
    assert_eq!(longest, Some(MAX_LINE_CHARACTERS));
    assert!(!machine.issue().unwrap().contains('\u{1b}'));
    assert!(machine.folder.path().exists());
}

#[test]
fn a_configuration_is_readable_by_nobody_else() {
    let machine = Machine::new();
    machine.insert("sr0", &seed(GOOD));
    machine.boot();
    let mode = fs::metadata(machine.configuration()).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
}
