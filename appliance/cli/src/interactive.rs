//! The interactive command line: prompt, history, completion by Tab, help by `?`, one screen at a time.

use crate::command::{Filter, Parsed, Verb, choices, parse};
use crate::monitor::{monitor, to_output};
use crate::run::order_pki;
use crate::terminal::{Terminal, Typed};
use crate::{CliError, Client, caret, evaluate, login, pki, shell};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{
    Cmd, CompletionType, ConditionalEventHandler, Config, Context, Editor, Event, EventContext,
    EventHandler, Helper, KeyEvent, RepeatCount,
};
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const MORE: &str = "---(more)--- ";
/// A terminal without a size is a real one of old.
const DEFAULT_ROWS: usize = 24;

struct Assistant;

impl Helper for Assistant {}
impl Highlighter for Assistant {}
impl Validator for Assistant {}

impl Hinter for Assistant {
    type Hint = String;
}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let (at, found) = choices(line.get(..pos).unwrap_or_default());
        let literal = found.into_iter().filter(|c| !c.word.starts_with('<'));
        Ok((at, literal.map(|c| format!("{} ", c.word)).collect()))
    }
}

/// Ends the line and leaves a note that help is wanted, unless a quote is open.
struct HelpKey(Arc<AtomicBool>);

impl ConditionalEventHandler for HelpKey {
    fn handle(
        &self,
        _: &Event,
        _: RepeatCount,
        _: bool,
        context: &EventContext<'_>,
    ) -> Option<Cmd> {
        let before = context.line().get(..context.pos()).unwrap_or_default();
        if before.matches('"').count() % 2 == 1 {
            return None;
        }
        self.0.store(true, Ordering::Relaxed);
        Some(Cmd::AcceptLine)
    }
}

type LineEditor = Editor<Assistant, DefaultHistory>;

/// Reads and runs commands until `exit` or the end of the input.
///
/// # Errors
/// Only the terminal's; a failed command is printed and the next one read.
pub fn interact(client: &Client) -> Result<(), CliError> {
    let terminal = Terminal::take();
    if !login::begin(client, &terminal)? {
        return Ok(());
    }
    let help_wanted = Arc::new(AtomicBool::new(false));
    let mut editor = editor(&help_wanted).map_err(failed)?;
    let prompt = prompt();
    let mut initial = String::new();
    loop {
        let line = match editor.readline_with_initial(&prompt, (&initial, "")) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => {
                initial.clear();
                continue;
            }
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        if help_wanted.swap(false, Ordering::Relaxed) {
            print!("{}", help(&line));
            initial = line;
            continue;
        }
        initial.clear();
        if !line.trim().is_empty() {
            editor.add_history_entry(line.as_str()).map_err(failed)?;
        }
        let indent = prompt.chars().count();
        if !command(client, &terminal, &mut editor, &line, indent)? {
            return Ok(());
        }
    }
}

/// Runs one line; false on `exit`.
fn command(
    client: &Client,
    terminal: &Terminal,
    editor: &mut LineEditor,
    line: &str,
    indent: usize,
) -> Result<bool, CliError> {
    let parsed = match parse(line) {
        Ok(Some(parsed)) => parsed,
        Ok(None) => return Ok(true),
        Err(error) => {
            eprintln!("{}\n{error}", caret(line, error.at(), indent));
            return Ok(true);
        }
    };
    if parsed.verb == Verb::Exit {
        return Ok(false);
    }
    match carry_out(client, terminal, editor, &parsed) {
        Ok(text) => {
            let no_more = parsed.filters.iter().any(|(f, _)| *f == Filter::NoMore);
            page(editor, &text, no_more)?;
        }
        Err(CliError::Command(error)) => {
            eprintln!("{}\n{error}", caret(line, error.at(), indent));
        }
        Err(error) => eprintln!("error: {error}"),
    }
    Ok(true)
}

/// What a command prints.
fn carry_out(
    client: &Client,
    terminal: &Terminal,
    editor: &mut LineEditor,
    parsed: &Parsed,
) -> Result<String, CliError> {
    let nothing = Ok(String::new());
    match parsed.verb {
        Verb::StartShell { root } => {
            shell::start(client, terminal, root)?;
            nothing
        }
        Verb::MonitorTraffic if to_output(parsed) => {
            let line = "the output is this screen: name a file".to_owned();
            Err(CliError::Refused(vec![line]))
        }
        Verb::MonitorTraffic => {
            println!("[Type ^C to end]");
            let mut pause = |wait| terminal.pause(wait);
            monitor(
                client,
                parsed,
                &mut io::stdout(),
                &mut io::stdout(),
                &mut pause,
            )?;
            nothing
        }
        Verb::LoadTerminal | Verb::MergeTerminal if terminal.is_one() => {
            println!("[Type ^D at a new line to end input, ^C to give it up]");
            match terminal.text() {
                Ok(Typed::Text(text)) => evaluate(client, parsed, &mut text.as_bytes()),
                Ok(Typed::Interrupted) => Ok("\nload given up: nothing is changed\n".to_owned()),
                Err(error) => Err(CliError::Terminal(error.to_string())),
            }
        }
        Verb::Reboot | Verb::PowerOff | Verb::Zeroize if !confirmed(editor, parsed.verb)? => {
            nothing
        }
        Verb::LoadCertificate if terminal.is_one() => {
            let mut ask = || match terminal.hide().ask("Passphrase: ") {
                Ok(Typed::Text(text)) => Ok(Some(text)),
                Ok(Typed::Interrupted) => Ok(None),
                Err(error) => Err(CliError::Terminal(error.to_string())),
            };
            match pki::order(parsed)? {
                Some(order) => order_pki(client, parsed, order, &mut ask),
                None => nothing,
            }
        }
        _ => evaluate(client, parsed, &mut io::stdin()),
    }
}

fn confirmed(editor: &mut LineEditor, verb: Verb) -> Result<bool, CliError> {
    let question = match verb {
        Verb::Zeroize => "Forget configuration, keys and logs, and restart? [yes,no] (no) ",
        Verb::PowerOff => "Switch the system off? [yes,no] (no) ",
        _ => "Restart the system? [yes,no] (no) ",
    };
    match editor.readline(question) {
        Ok(answer) => Ok(answer.trim() == "yes"),
        Err(ReadlineError::Interrupted | ReadlineError::Eof) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// Prints a screen at a time; `q` ends it.
fn page(editor: &mut LineEditor, text: &str, no_more: bool) -> Result<(), CliError> {
    let rows = editor
        .dimensions()
        .map_or(DEFAULT_ROWS, |(_, rows)| usize::from(rows));
    let lines: Vec<&str> = text.lines().collect();
    if no_more || lines.len() < rows {
        print!("{text}");
        return Ok(());
    }
    let mut screens = lines.chunks(rows.saturating_sub(1).max(1)).peekable();
    while let Some(screen) = screens.next() {
        println!("{}", screen.join("\n"));
        if screens.peek().is_none() {
            break;
        }
        match editor.readline(MORE) {
            Ok(answer) if answer.trim().starts_with('q') => break,
            Ok(_) => {}
            Err(ReadlineError::Interrupted | ReadlineError::Eof) => break,
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

/// What `?` prints after `line`.
fn help(line: &str) -> String {
    let (_, found) = choices(line);
    if found.is_empty() {
        return match parse(line) {
            Err(error) => format!("{error}\n"),
            Ok(_) => "Possible completions:\n  <Enter>\n".to_owned(),
        };
    }
    let rows = found
        .iter()
        .map(|c| format!("  {:<24} {}\n", c.word, c.help));
    ["Possible completions:\n".to_owned()]
        .into_iter()
        .chain(rows)
        .collect()
}

fn editor(help_wanted: &Arc<AtomicBool>) -> Result<LineEditor, ReadlineError> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Assistant));
    let key = HelpKey(Arc::clone(help_wanted));
    editor.bind_sequence(
        KeyEvent::from('?'),
        EventHandler::Conditional(Box::new(key)),
    );
    // A login shell that stops would leave a terminal that nothing reads.
    editor.bind_sequence(KeyEvent::ctrl('Z'), EventHandler::Simple(Cmd::Noop));
    Ok(editor)
}

/// `user@host> `.
fn prompt() -> String {
    let user = std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .unwrap_or_else(|_| "root".to_owned());
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim().split('.').next().unwrap_or_default();
    format!("{user}@{host}> ")
}

fn failed(error: ReadlineError) -> CliError {
    CliError::Terminal(error.to_string())
}
