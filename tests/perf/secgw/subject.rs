//! A measured process: started with the hook in it, at rest unless it is measured, its busy thread alone on one CPU.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use ravelin_esp::Direction;
use ravelin_tests::process::Process;
use ravelin_tests::rate::{Passed, check_passed};
use ravelin_tests::wait::wait_until;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Failure;
use crate::control::{Control, Order, Played};
use crate::trace::Trace;

/// Ports of each process.
const PORTS: u64 = 2;
/// How long a process may take to start: DPDK's memory and a thousand SAs, on a loaded machine.
const START_LIMIT: Duration = Duration::from_secs(60);
/// A part of a trace that only warms the caches: 1/8.
const WARM_SHARE: u64 = 8;

/// The CPUs: one for what is measured, the others for everything else. With one CPU only both are the same.
#[derive(Clone, Copy)]
pub struct Cpus {
    pub measured: usize,
    pub others: CpuSet,
}

impl Cpus {
    pub fn find() -> Result<Self, Failure> {
        let failed = |errno| Failure::System {
            what: "look for CPUs",
            errno,
        };
        let mut others = sched_getaffinity(Pid::from_raw(0)).map_err(failed)?;
        let is_set = |cpu: &usize| others.is_set(*cpu).unwrap_or(false);
        let allowed: Vec<usize> = (0..CpuSet::count()).filter(is_set).collect();
        let measured = allowed.last().copied().unwrap_or(0);
        if allowed.len() > 1 {
            others.unset(measured).map_err(failed)?;
        }
        Ok(Self { measured, others })
    }

    /// Whether two threads can run at once.
    pub fn are_two(&self) -> bool {
        !self.others.is_set(self.measured).unwrap_or(true)
    }

    /// Moves the calling thread, whose children inherit it.
    pub fn go(self, to_measured: bool) -> Result<(), Failure> {
        let set = if to_measured {
            self.measured_set()?
        } else {
            self.others
        };
        pin(0, &set)
    }

    pub fn measured_set(self) -> Result<CpuSet, Failure> {
        let mut set = CpuSet::new();
        let failed = |errno| Failure::System {
            what: "name a CPU",
            errno,
        };
        set.set(self.measured).map_err(failed)?;
        Ok(set)
    }
}

fn pin(thread: i32, set: &CpuSet) -> Result<(), Failure> {
    let pinned = sched_setaffinity(Pid::from_raw(thread), set);
    pinned.map_err(|errno| Failure::System {
        what: "pin a thread",
        errno,
    })
}

/// Files of a run: the hook, the control pages, the traces, the logs.
#[derive(Clone)]
pub struct Files {
    pub hook: PathBuf,
    /// On tmpfs.
    pub traces: PathBuf,
    pub logs: PathBuf,
}

/// What a process makes of a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It seals or opens it.
    Gateway,
    /// It sends it as it came.
    Loop,
}

/// A measured process.
pub struct Subject {
    name: &'static str,
    process: Process,
    control: Control,
    /// Ports that receive clear frames and ESP.
    ports: [u64; 2],
    kind: Kind,
    pub command_line: String,
}

impl Subject {
    /// The variables that put the hook in.
    pub fn environment(files: &Files, name: &str) -> [(&'static str, PathBuf); 4] {
        [
            // As in planed's unit; the peer has what it gives, too.
            ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1".into()),
            ("LD_PRELOAD", files.hook.clone()),
            ("NET_TRACE_FOLDER", files.traces.clone()),
            ("NET_TRACE_CONTROL", page(files, name)),
        ]
    }

    /// Starts it; the command must have [`Subject::environment`].
    pub fn start(
        name: &'static str,
        files: &Files,
        command: &mut Command,
        ports: [u64; 2],
        kind: Kind,
    ) -> Result<Self, Failure> {
        let path = page(files, name);
        // Left by a process of the same name that has ended.
        let _ = std::fs::remove_file(&path);
        let control = Control::create(&path)?;
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let command_line = words
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ");
        let process = Process::start(name, &files.logs, command)?;
        Ok(Self {
            name,
            process,
            control,
            ports,
            kind,
            command_line,
        })
    }

    /// Waits until both ports have started.
    pub fn wait_ports(&mut self) -> Result<(), Failure> {
        let Self {
            process, control, ..
        } = self;
        let what = format!("the ports of {}", self.name);
        wait_until(&what, START_LIMIT, || {
            process.check()?;
            let ready = control.has_ports(PORTS);
            Ok(ready.unwrap_or(false).then_some(()))
        })?;
        self.verify_pages()
    }

    /// Its packets lie in pages of the kind that all processes have.
    fn verify_pages(&self) -> Result<(), Failure> {
        let huge_octets = self.status_octets("HugetlbPages:")?;
        if (huge_octets == 0) == crate::peer::ordinary_pages() {
            return Ok(());
        }
        Err(Failure::Pages { name: self.name })
    }

    /// Its memory, hugepages not counted.
    pub fn resident_octets(&self) -> Result<u64, Failure> {
        self.status_octets("VmRSS:")
    }

    /// A field of its /proc status that is told in kB; 0 when it is not there.
    fn status_octets(&self, field: &str) -> Result<u64, Failure> {
        let path = PathBuf::from(format!("/proc/{}/status", self.process.pid()));
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|error| Failure::File { path, error })?;
        let value = text.lines().find_map(|line| line.strip_prefix(field));
        let kib = value.and_then(|value| value.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Ok(kib.unwrap_or(0) << 10)
    }

    pub fn tsc_hz(&self) -> Result<u64, Failure> {
        self.control.tsc_hz()
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Puts its thread of this name on these CPUs.
    pub fn pin_thread(&self, thread: &str, set: &CpuSet) -> Result<(), Failure> {
        pin(self.thread(thread)?, set)
    }

    /// The number of its thread of this name.
    fn thread(&self, thread: &str) -> Result<i32, Failure> {
        let tasks = PathBuf::from(format!("/proc/{}/task", self.process.pid()));
        let failed = |error| Failure::File {
            path: tasks.clone(),
            error,
        };
        for task in std::fs::read_dir(&tasks).map_err(failed)?.flatten() {
            let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            let number = task.file_name().to_string_lossy().parse().ok();
            if let (true, Some(number)) = (name.trim() == thread, number) {
                return Ok(number);
            }
        }
        Err(Failure::NoThread {
            name: self.name,
            thread: thread.to_owned(),
        })
    }

    /// See [`Control::until_sent_ns`].
    pub fn until_sent_ns(&self, queue: u64) -> Result<u64, Failure> {
        self.control.until_sent_ns(queue)
    }

    pub fn rest(&self) {
        self.process.signal(Signal::SIGSTOP);
    }

    pub fn wake(&self) {
        self.process.signal(Signal::SIGCONT);
    }

    /// Plays a trace so many times while nothing else is awake.
    pub fn play(
        &mut self,
        trace: &Trace,
        direction: Direction,
        loops: u64,
    ) -> Result<Played, Failure> {
        let port = match direction {
            Direction::Encrypt => self.ports[0],
            Direction::Decrypt => self.ports[1],
        };
        let frames = trace.frames() as u64;
        let order = Order {
            port,
            trace: trace.id,
            loops,
            warm: frames / WARM_SHARE / trace.queues().len() as u64,
            queues: trace.queues().len() as u64,
            ahead: trace.is_ahead(),
        };
        self.wake();
        let outcome = self.control.play(order, loops * frames);
        self.rest();
        if let Some(played) = outcome? {
            return Ok(played);
        }
        self.wake();
        self.process.check()?;
        Err(Failure::Silent { name: self.name })
    }

    /// The same for a measurement: what is lost fails it.
    pub fn measure(
        &mut self,
        trace: &Trace,
        direction: Direction,
        loops: u64,
    ) -> Result<Played, Failure> {
        let played = self.play(trace, direction, loops)?;
        let octets = match self.kind {
            Kind::Gateway => trace.octets_out,
            Kind::Loop => trace.octets_in,
        };
        let passed = Passed {
            packets: loops * trace.frames() as u64,
            octets: loops * octets,
            came_packets: played.sent_packets,
            came_octets: played.sent_octets,
        };
        check_passed(&passed).map_err(|why| Failure::Unfair {
            name: self.name,
            why,
        })?;
        Ok(played)
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // A stopped process ends by SIGKILL only.
        let _ = self.process.kill();
    }
}

fn page(files: &Files, name: &str) -> PathBuf {
    files.traces.join(format!("control.{name}"))
}

/// SHA-256 of a file.
pub fn digest(path: &Path) -> Result<String, Failure> {
    let text = ravelin_tests::netns::run(Command::new("sha256sum").arg(path))?;
    Ok(text
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned())
}
