//! The flight recorder: armed for one tunnel, read by whoever looks, kept after the end.

use std::collections::VecDeque;
use std::sync::Arc;

use ravelin_ctl::flight::{Flight, FlightChoice, FlightOrder, FlightRecord, Outcome};
use ravelin_ctl::operator::DaemonReply;
use ravelin_ctl::sa::Outer;
use ravelin_dataplane::watch::recorder::{Done, Note, RECORDS, Recorder};
use ravelin_platform::clock::{epoch_us, now};
use ravelin_types::PairId;

use super::Control;

/// The recorder and what it has recorded.
#[derive(Default)]
pub struct FlightRecorder {
    /// While it records.
    pub recorder: Option<Arc<Recorder>>,
    tunnel: Option<Outer>,
    pairs: Vec<PairId>,
    /// Microseconds since 1970 at the clock's zero.
    epoch_us: u64,
    /// The newest notes, by time.
    notes: VecDeque<Note>,
}

impl FlightRecorder {
    /// Takes in what the workers have noted.
    fn gather(&mut self) {
        if let Some(recorder) = &self.recorder {
            self.notes.extend(recorder.take());
            self.notes.make_contiguous().sort_by_key(|note| note.time);
            let surplus = self.notes.len().saturating_sub(RECORDS);
            self.notes.drain(..surplus);
        }
    }
}

impl Control {
    pub(super) fn flight(&mut self, order: FlightOrder) -> DaemonReply {
        match order {
            FlightOrder::Start(choice) => self.start_flight(choice),
            FlightOrder::Stop => {
                self.flight.gather();
                let recorded = self.flight.recorder.take().is_some();
                self.show_watch();
                DaemonReply::Done(recorded.into())
            }
            FlightOrder::Show => {
                self.flight.gather();
                DaemonReply::Flight(Flight {
                    recording: self.flight.recorder.is_some(),
                    tunnel: self.flight.tunnel,
                    pairs: self.flight.pairs.clone(),
                    records: self.flight_records(),
                })
            }
        }
    }

    fn start_flight(&mut self, choice: FlightChoice) -> DaemonReply {
        let controller = &self.parts.controller;
        let Some((selection, outer)) = controller.selection(choice) else {
            return DaemonReply::Failed(match choice {
                FlightChoice::Pair(pair) => format!("no security association has index {}", pair.0),
                FlightChoice::Peer(peer) => format!("{peer} has no security association"),
            });
        };
        let pairs = selection.pairs.clone();
        log::info!("the tunnel to {} is recorded", outer.remote);
        let count = pairs.len() as u64;
        let workers = controller.workers().count();
        self.flight = FlightRecorder {
            recorder: Some(Arc::new(Recorder::new(selection, workers))),
            tunnel: Some(outer),
            pairs,
            epoch_us: epoch_us(now()),
            notes: VecDeque::new(),
        };
        self.show_watch();
        DaemonReply::Done(count)
    }

    fn flight_records(&self) -> Vec<FlightRecord> {
        let controller = &self.parts.controller;
        let mut notes: Vec<Note> = self.flight.notes.iter().copied().collect();
        let mut links: Vec<_> = notes
            .iter_mut()
            .filter_map(|note| {
                // What was discarded had come in.
                let peer = (note.done == Done::Sent).then_some(note.destination.0);
                Some((note.esp.as_mut()?, peer))
            })
            .collect();
        controller.name_pairs(&mut links);
        let config = &controller.tables().config;
        let record = |note: &Note| FlightRecord {
            time_us: self.flight.epoch_us + note.time.0,
            stage: note.stage.replace('_', "-"),
            outcome: match note.done {
                Done::Encrypted => Outcome::Encrypted,
                Done::Decrypted => Outcome::Decrypted,
                Done::Sent => Outcome::Sent,
                Done::Dropped(reason) => Outcome::Dropped(reason.name().to_owned()),
            },
            interface: config
                .interface(note.interface)
                .map_or_else(|| "-".to_owned(), |interface| interface.name.to_string()),
            octets: note.octets,
            source: note.source,
            destination: note.destination,
            protocol: note.protocol,
            esp: note.esp,
        };
        notes.iter().map(record).collect()
    }
}
