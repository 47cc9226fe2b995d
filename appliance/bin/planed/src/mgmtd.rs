//! The connection to mgmtd: requests come, the control thread answers. It comes back when mgmtd does.

use std::path::PathBuf;
use std::sync::mpsc::{Sender, SyncSender, channel};
use std::time::Duration;

use ravelin_ctl::daemon::{Reply, Request};
use ravelin_ctl::{Envelope, Hello, Role, Stream};

use crate::control::Input;
use crate::error::Error;

/// Pause between attempts to connect.
const RETRY: Duration = Duration::from_millis(100);

/// A request and where its answer goes.
pub struct Question {
    /// What mgmtd wants.
    pub request: Request,
    answer: Sender<Option<Reply>>,
}

impl Question {
    /// Answers; `None` where the request wants no answer.
    pub fn answer(self, reply: Option<Reply>) {
        // mgmtd may be gone by now.
        let _ = self.answer.send(reply);
    }
}

/// Starts the thread that serves mgmtd's requests for as long as the control thread takes them.
///
/// # Errors
/// When the thread cannot be made.
pub fn start(path: PathBuf, hello: Hello, control: SyncSender<Input>) -> Result<(), Error> {
    let work = move || {
        let mut complaint = String::new();
        loop {
            match Stream::connect(&path, &hello, Role::Mgmtd) {
                Ok(stream) => {
                    log::info!("mgmtd is connected");
                    if converse(stream, &control).is_none() {
                        return;
                    }
                    log::info!("mgmtd has left");
                    complaint.clear();
                }
                Err(error) => {
                    // Once per reason: mgmtd may stay away for long.
                    let text = error.to_string();
                    if text != complaint && !error.is_absence() {
                        log::warn!("mgmtd.sock: {text}");
                        complaint = text;
                    }
                }
            }
            std::thread::sleep(RETRY);
        }
    };
    std::thread::Builder::new()
        .name("mgmtd".to_owned())
        .spawn(work)
        .map(drop)
        .map_err(|source| Error::Thread {
            name: "mgmtd".to_owned(),
            source,
        })
}

/// `None` when the control thread has ended, `Some` when mgmtd has.
fn converse(mut stream: Stream, control: &SyncSender<Input>) -> Option<()> {
    while let Ok(Envelope { id, body }) = stream.receive::<Envelope<Request>>() {
        let (answer, answered) = channel();
        let question = Question {
            request: body,
            answer,
        };
        control.send(Input::Mgmtd(question)).ok()?;
        if let Some(body) = answered.recv().ok()?
            && stream.send(&Envelope { id, body }).is_err()
        {
            return Some(());
        }
    }
    Some(())
}
