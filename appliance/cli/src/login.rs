//! What a session begins with: who is logged in where, what is wrong, and a first password for who has none.
//!
//! Only a login on a console gets here without a password (PAM's service `login`); it gets no prompt before it has set one. The
//! password is asked for twice and leaves this process as a hash only.

use crate::terminal::{Terminal, Typed};
use crate::{CliError, Client};
use ravelin_crypto::hash_password;
use ravelin_ctl::host::wanted::PasswordHash;
use ravelin_ctl::operator::{Reply, Request, Session};
use std::io;
use std::time::Duration;
use zeroize::Zeroizing;

/// The shortest password that is taken, in characters.
const MIN_PASSWORD_CHARS: usize = 8;
/// The longest.
const MAX_PASSWORD_CHARS: usize = 128;
/// Alarms that are printed at a login: more would push the prompt off the screen.
const MAX_ALARMS_SHOWN: usize = 8;

/// How long a login waits for the alarms that a daemon has to be asked for.
const ALARMS_LIMIT: Duration = Duration::from_secs(2);

/// Greets, and asks for a password if one is wanted; false when the session ends instead.
pub(crate) fn begin(client: &Client, terminal: &Terminal) -> Result<bool, CliError> {
    let mut session = match client.ask(Request::Session) {
        Ok(Reply::Session(session)) => session,
        Ok(Reply::Failed(lines)) => {
            eprintln!("error: {}", lines.join("\n"));
            return Ok(true);
        }
        Ok(_) => return Err(CliError::Mismatch),
        // The prompt is there all the same: each command says what it cannot do.
        Err(error) => {
            eprintln!("error: {error}");
            return Ok(true);
        }
    };
    tell_all(client, &mut session, ALARMS_LIMIT);
    print!("{}", greeting(&session));
    if session.password_wanted && terminal.is_one() {
        return first_password(client, terminal, &session.user);
    }
    Ok(true)
}

/// Takes the alarms of the daemons into the session. When one of them is silent, what mgmtd knows by itself must do.
fn tell_all(client: &Client, session: &mut Session, limit: Duration) {
    if let Ok(Reply::Alarms(alarms)) = client.ask_within(Request::ShowAlarms, limit) {
        session.alarms = alarms.into_iter().map(|alarm| alarm.text).collect();
    }
}

fn greeting(session: &Session) -> String {
    let name = session.host_name.as_deref().unwrap_or("no host name yet");
    let mut text = format!("Ravelin {}, {name}\n", session.software);
    for alarm in session.alarms.iter().take(MAX_ALARMS_SHOWN) {
        text.push_str(&format!("alarm: {alarm}\n"));
    }
    let more = session.alarms.len().saturating_sub(MAX_ALARMS_SHOWN);
    if more > 0 {
        text.push_str(&format!("and {more} more alarms: show system alarms\n"));
    }
    text
}

fn first_password(client: &Client, terminal: &Terminal, user: &str) -> Result<bool, CliError> {
    let hidden = terminal.hide();
    println!(
        "User {user} has no password yet. Set one to go on (at least {MIN_PASSWORD_CHARS} characters)."
    );
    let failed = |error: io::Error| CliError::Terminal(error.to_string());
    loop {
        let Typed::Text(password) = hidden.ask("New password: ").map_err(failed)? else {
            return Ok(false);
        };
        // The end of the input: nobody is there.
        if password.is_empty() {
            return Ok(false);
        }
        if let Some(fault) = fault(&password, user) {
            println!("{fault}");
            continue;
        }
        let Typed::Text(again) = hidden.ask("Retype new password: ").map_err(failed)? else {
            return Ok(false);
        };
        if *password != *again {
            println!("The two are not the same.");
            continue;
        }
        match client.ask(Request::SetPassword(hash(&password)?))? {
            Reply::Loaded { .. } => {
                println!("The password is set and stored.");
                return Ok(true);
            }
            Reply::Failed(lines) => println!("error: {}", lines.join("\n")),
            _ => return Err(CliError::Mismatch),
        }
    }
}

/// Why a password is not taken.
fn fault(password: &str, user: &str) -> Option<String> {
    let chars = password.chars().count();
    if chars < MIN_PASSWORD_CHARS {
        return Some(format!(
            "It is too short: at least {MIN_PASSWORD_CHARS} characters are wanted."
        ));
    }
    if chars > MAX_PASSWORD_CHARS {
        return Some(format!(
            "It is too long: at most {MAX_PASSWORD_CHARS} characters are taken."
        ));
    }
    if password.chars().any(char::is_control) {
        return Some("It has a key in it that is no character.".to_owned());
    }
    let first = password.chars().next();
    if password.chars().all(|c| Some(c) == first) || password.contains(user) {
        return Some("It is too easy to guess.".to_owned());
    }
    None
}

fn hash(password: &Zeroizing<String>) -> Result<PasswordHash, CliError> {
    let unhashed = |error: String| CliError::Terminal(error);
    let hash = hash_password(password.as_bytes()).map_err(|e| unhashed(e.to_string()))?;
    PasswordHash::try_from(hash).map_err(|e| unhashed(e.to_string()))
}

#[cfg(test)]
mod tests;
