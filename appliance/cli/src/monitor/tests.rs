use super::*;
use crate::command::parse;
use ravelin_ctl::{Envelope, Hello, Role, Stream};
use ravelin_types::InstanceId;
use std::os::unix::net::UnixListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

fn packet(octets: usize) -> Captured {
    Captured {
        time_us: 1_000_000,
        interface: 0,
        outbound: false,
        octets: octets as u32,
        esp: None,
        data: vec![0; octets],
    }
}

fn taken(packets: usize, octets: usize, more: bool) -> Taken {
    Taken {
        packets: vec![packet(octets); packets],
        lost: 3,
        more,
        ended: false,
    }
}

/// An mgmtd in a folder of its own whose captures give `answers` and then nothing; says what was asked.
fn served(name: &str, answers: Vec<Taken>) -> (PathBuf, Receiver<CaptureOrder>) {
    let folder = std::env::temp_dir().join(format!("ravelin-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let listener = UnixListener::bind(folder.join("mgmtd.sock")).unwrap();
    let (asked, orders) = channel();
    thread::spawn(move || {
        let hello = Hello::new(Role::Mgmtd, InstanceId(1));
        let (socket, _) = listener.accept().unwrap();
        let patience = Duration::from_secs(5);
        let mut stream = Stream::accept(socket, &hello, patience, &[Role::Operator]).unwrap();
        let mut answers = answers.into_iter();
        while let Ok(Envelope { id, body }) = stream.receive::<Envelope<Request>>() {
            let Request::Daemon(DaemonQuery::Capture(order)) = body else {
                panic!("{body:?}");
            };
            let reply = match &order {
                CaptureOrder::Begin(spec) => CaptureReply::Begun {
                    id: CaptureId(9),
                    interfaces: (spec.interfaces.iter())
                        .map(|name| CaptureInterface {
                            name: name.clone(),
                            ethernet: true,
                        })
                        .collect(),
                },
                CaptureOrder::Take(CaptureId(9)) => {
                    CaptureReply::Taken(answers.next().unwrap_or_default())
                }
                CaptureOrder::End(CaptureId(9)) => CaptureReply::Taken(taken(0, 0, false)),
                other => panic!("{other:?}"),
            };
            let body = Reply::Daemon(DaemonReply::Capture(reply));
            asked.send(order).unwrap();
            stream.send(&Envelope { id, body }).unwrap();
        }
    });
    (folder, orders)
}

fn run(
    folder: &Path,
    line: &str,
    out: &mut dyn Write,
    rounds: usize,
) -> (Result<(), CliError>, String) {
    let client = Client::new(folder);
    let parsed = parse(line).unwrap().unwrap();
    let mut notes = Vec::new();
    let mut left = rounds;
    let result = monitor(&client, &parsed, out, &mut notes, &mut |_| {
        left -= 1;
        left == 0
    });
    (result, String::from_utf8(notes).unwrap())
}

#[test]
fn lines_are_shown_until_the_count_and_the_capture_is_ended() {
    let (folder, orders) = served("count", vec![taken(2, 60, true), taken(5, 60, false)]);
    let mut out = Vec::new();
    let line = "monitor traffic interface ge-0/0/0,st0.1 count 4 size 128 matching arp";
    let (result, notes) = run(&folder, line, &mut out, 50);
    result.unwrap();
    assert_eq!(String::from_utf8(out).unwrap().lines().count(), 4);
    assert_eq!(
        notes,
        "Listening on ge-0/0/0, st0.1, 128 octets\n4 packets captured, 3 packets lost\n"
    );
    let orders: Vec<_> = orders.try_iter().collect();
    let CaptureOrder::Begin(spec) = &orders[0] else {
        panic!("{orders:?}");
    };
    assert_eq!(spec.interfaces, ["ge-0/0/0", "st0.1"]);
    assert_eq!((spec.size_octets, spec.filter.0.len()), (128, 1));
    assert_eq!(orders.last(), Some(&CaptureOrder::End(CaptureId(9))));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_is_its_owners_alone_and_ends_with_a_whole_block() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, _orders) = served("file", vec![taken(3, 100, true)]);
    let path = folder.join("x.pcapng");
    let line = format!(
        "monitor traffic interface all write-file {}",
        path.display()
    );
    let (result, notes) = run(&folder, &line, &mut io::sink(), 2);
    result.unwrap();
    assert!(notes.contains("3 packets captured"), "{notes}");
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let file = std::fs::read(&path).unwrap();
    let mut piped = Vec::new();
    let (folder_2, _orders) = served("piped", vec![taken(3, 100, true)]);
    let line = "monitor traffic interface all write-file -";
    run(&folder_2, line, &mut piped, 2).0.unwrap();
    assert!(file == piped, "the output is the same as the file");
    for folder in [folder, folder_2] {
        std::fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn a_full_file_takes_no_further_packet() {
    let mut file = Vec::new();
    let out: Box<dyn Write + '_> = Box::new(&mut file);
    let mut sink = Sink::Pcapng(Writer::new(out, &[], 96).unwrap(), Some(10_000));
    let mut seen = 0;
    let ended = sink
        .take(&taken(100, 1_000, true), None, &mut seen)
        .unwrap();
    assert!(ended == Some(Ended::Full) && seen > 5, "{seen}");
    drop(sink);
    assert!(file.len() <= 10_000 && file.len() > 8_500, "{}", file.len());
}

/// A reader that has seen enough.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_output_ends_the_capture() {
    let (folder, orders) = served("closed", vec![taken(1, 60, true)]);
    let line = "monitor traffic interface all";
    let (result, notes) = run(&folder, line, &mut Closed, usize::MAX);
    result.unwrap();
    assert!(notes.ends_with("3 packets lost\n"), "{notes}");
    let orders: Vec<_> = orders.try_iter().collect();
    assert_eq!(orders.last(), Some(&CaptureOrder::End(CaptureId(9))));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn values_out_of_range_are_named_before_anything_is_asked() {
    let nobody = Path::new("/nonexistent");
    for (options, said) in [
        ("size 95", "`95` is not between 96 and 9216"),
        ("size 9217", "`9217` is not between 96 and 9216"),
        ("count 0", "`0` is not a number of packets"),
        ("matching hots", "unknown word `hots`"),
        ("| match x", "`monitor` has no filter"),
        ("count 1", "cannot reach ravelin-mgmtd"),
    ] {
        let line = format!("monitor traffic interface all {options}");
        let (result, _) = run(nobody, &line, &mut io::sink(), 1);
        let error = result.unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
    }
}
