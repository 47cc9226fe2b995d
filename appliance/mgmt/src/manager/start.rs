//! What runs when mgmtd starts: the stored configuration, or the best there is instead of it.
//!
//! ```text
//!   ravelin.conf absent    -> the factory's
//!   ravelin.conf broken    -> kept as ravelin.conf.broken too; the last good one, or else the factory's; an alarm until the
//!                             next commit
//!   the factory's absent   -> an empty one
//! ```

use super::Manager;
use crate::compile::Compiled;
use crate::hardware;
use ravelin_config::{Problem, Tree};
use std::path::Path;
use zeroize::Zeroizing;

/// A configuration that was read, with its text.
type Read = (Tree, Compiled, Zeroizing<String>);

impl Manager {
    pub(super) fn load_stored(&mut self) {
        let file = self.store.file().to_owned();
        match self.read_file(&file) {
            Ok(Some(read)) => {
                let text = self.run_read(read);
                if let Err(error) = self.store.save_last_good(&text) {
                    log::warn!("{error}");
                }
            }
            Ok(None) => {
                let instead = self.run_factory();
                log::info!("{} is absent: {instead}", file.display());
            }
            Err(lines) => self.run_instead(lines),
        }
        self.tell_host();
    }

    /// Runs something else than the stored configuration, which has these faults.
    fn run_instead(&mut self, lines: Vec<String>) {
        lines.iter().for_each(|line| log::error!("{line}"));
        if let Err(error) = self.store.keep_broken() {
            log::warn!("{error}");
        }
        let instead = match self.read_file(&self.store.last_good()) {
            Ok(Some(read)) => {
                self.run_read(read);
                "the last good one runs"
            }
            _ => self.run_factory(),
        };
        log::error!("the stored configuration is refused; {instead} instead");
        let first = lines.into_iter().next().unwrap_or_default();
        self.start_error = Some(format!("{first} ({instead} instead)"));
    }

    fn run_factory(&mut self) -> &'static str {
        let Some(factory) = self.store.factory().map(Path::to_owned) else {
            return self.run_empty();
        };
        match self.read_file(&factory) {
            Ok(Some(read)) => {
                self.run_read(read);
                "the factory default runs"
            }
            Ok(None) => self.run_empty(),
            Err(lines) => {
                lines.iter().for_each(|line| log::error!("{line}"));
                self.run_empty()
            }
        }
    }

    /// Runs nothing, with a user who may change that.
    fn run_empty(&mut self) -> &'static str {
        let empty = crate::judge::read_text(&self.model, self.ids.runs(), "empty", "");
        if let Ok((tree, compiled)) = empty {
            self.run_read((tree, compiled, Zeroizing::default()));
        }
        "an empty one runs"
    }

    fn run_read(&mut self, (tree, mut compiled, text): Read) -> Zeroizing<String> {
        hardware::place(&mut compiled, self.store.run_dir());
        compiled.warnings.iter().for_each(|w| log::warn!("{w}"));
        if let Err(error) = self.ids.keep(&compiled.instances) {
            log::warn!("{error}");
        }
        self.running.tree = tree;
        self.running.compiled = compiled;
        text
    }

    /// Tells the host side what runs; a failure is an alarm.
    pub(super) fn tell_host(&mut self) {
        let told = self.host.want(&self.running.compiled.host);
        self.host_error = told.err().map(|error| error.to_string());
        if let Some(error) = &self.host_error {
            log::error!("{error}");
        }
    }

    fn read_file(&self, path: &Path) -> Result<Option<Read>, Vec<String>> {
        let text = self.store.read(path).map_err(|e| vec![e.to_string()])?;
        let Some(text) = text else {
            return Ok(None);
        };
        let (tree, compiled) = self.read(&path.display().to_string(), &text)?;
        Ok(Some((tree, compiled, text)))
    }

    /// Reads, judges and compiles a text; one line per fault.
    pub(super) fn read(&self, origin: &str, text: &str) -> Result<(Tree, Compiled), Vec<String>> {
        crate::judge::read_text(&self.model, self.ids.runs(), origin, text)
            .map_err(|problem| lines_of(&problem))
    }
}

/// One line per fault.
pub(super) fn lines_of(problem: &Problem) -> Vec<String> {
    problem.to_string().lines().map(str::to_owned).collect()
}
