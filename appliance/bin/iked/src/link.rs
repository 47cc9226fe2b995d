//! A control connection that comes back: connects to another daemon's socket, greets, and carries envelopes both ways.
//!
//! Each connection has its own outgoing queue, handed out with [`LinkEvent::Up`]: what was queued for a connection that
//! broke dies with it, and the user brings the other side up to date after each `Up`. No message is interpreted here.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use ravelin_ctl::stream::is_absence;
use ravelin_ctl::{CodecError, Decoder, Hello, PROTOCOL_VERSION, Role, encode, peer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

/// Pause between attempts: short, because planed's absence delays every tunnel, and a refused connect costs nothing.
const RETRY: Duration = Duration::from_millis(200);
/// Frames that wait to be written.
pub const OUT_QUEUE: usize = 256;
/// Frames read and not taken yet.
pub const EVENT_QUEUE: usize = 256;
const READ_OCTETS: usize = 64 << 10;

/// What happens on a link.
#[derive(Debug)]
pub enum LinkEvent<Out, In> {
    /// Connected; send through this queue until [`LinkEvent::Down`].
    Up {
        /// Who answered.
        peer: Hello,
        /// The queue of this connection.
        sender: mpsc::Sender<Out>,
    },
    /// A message came.
    Message(In),
    /// The connection is gone.
    Down,
}

#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Codec(#[from] CodecError),
    #[error("{name} speaks control protocol {theirs}, we speak {PROTOCOL_VERSION}")]
    Version { name: &'static str, theirs: u32 },
    #[error("user {uid} may not speak as {name}")]
    Impostor { name: &'static str, uid: u32 },
    #[error("{0} has no business at this socket")]
    Stranger(&'static str),
    #[error("the daemon does not listen to this link any more")]
    Unused,
}

/// Keeps a link to `server` at `path` until nobody reads the events.
pub async fn run<Out, In>(
    path: PathBuf,
    hello: Hello,
    server: Role,
    events: mpsc::Sender<LinkEvent<Out, In>>,
) where
    Out: Serialize + Send + 'static,
    In: DeserializeOwned + Send + 'static,
{
    let mut complaint = String::new();
    while !events.is_closed() {
        let error = match UnixStream::connect(&path).await {
            Ok(socket) => {
                let error = serve(socket, &hello, server, &events).await;
                let _ = events.send(LinkEvent::Down).await;
                Some(error)
            }
            Err(error) => (!is_absence(&error)).then(|| error.into()),
        };
        // The same complaint once: another build on the other side stays that way for long.
        let text = error.map(|error| format!("control connection {}: {error}", path.display()));
        if let Some(text) = text.filter(|text| *text != complaint) {
            log::info!("{text}");
            complaint = text;
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Serves one connection until it breaks.
async fn serve<Out, In>(
    socket: UnixStream,
    hello: &Hello,
    server: Role,
    events: &mpsc::Sender<LinkEvent<Out, In>>,
) -> LinkError
where
    Out: Serialize + Send + 'static,
    In: DeserializeOwned + Send + 'static,
{
    let uid = match peer::user(&socket) {
        Ok(uid) => uid,
        Err(error) => return error.into(),
    };
    let (mut reader, mut writer) = socket.into_split();
    let mut decoder = Decoder::new();
    let peer = match greet(&mut reader, &mut writer, &mut decoder, hello, uid).await {
        Ok(peer) if peer.role == server => peer,
        Ok(peer) => return LinkError::Stranger(peer.role.process_name()),
        Err(error) => return error,
    };
    let (sender, mut outgoing) = mpsc::channel(OUT_QUEUE);
    if events.send(LinkEvent::Up { peer, sender }).await.is_err() {
        return LinkError::Unused;
    }
    let writing = async {
        while let Some(message) = outgoing.recv().await {
            let frame: Zeroizing<Vec<u8>> = match encode::<Out>(&message) {
                Ok(frame) => frame,
                Err(error) => return LinkError::from(error),
            };
            if let Err(error) = writer.write_all(&frame).await {
                return LinkError::from(error);
            }
        }
        LinkError::Unused
    };
    let reading = async {
        loop {
            let message = match receive::<In>(&mut reader, &mut decoder).await {
                Ok(message) => message,
                Err(error) => return error,
            };
            if events.send(LinkEvent::Message(message)).await.is_err() {
                return LinkError::Unused;
            }
        }
    };
    tokio::select! {
        error = writing => error,
        error = reading => error,
    }
}

async fn greet(
    reader: &mut OwnedReadHalf,
    writer: &mut OwnedWriteHalf,
    decoder: &mut Decoder,
    hello: &Hello,
    uid: u32,
) -> Result<Hello, LinkError> {
    writer.write_all(&encode(hello)?).await?;
    let peer: Hello = receive(reader, decoder).await?;
    if peer.version != PROTOCOL_VERSION {
        return Err(LinkError::Version {
            name: peer.role.process_name(),
            theirs: peer.version,
        });
    }
    if !peer::may_speak(uid, peer.role) {
        let name = peer.role.process_name();
        return Err(LinkError::Impostor { name, uid });
    }
    Ok(peer)
}

/// The next message. Cancel-safe: what was read stays in the decoder.
async fn receive<In: DeserializeOwned>(
    reader: &mut OwnedReadHalf,
    decoder: &mut Decoder,
) -> Result<In, LinkError> {
    let mut chunk = Zeroizing::new(vec![0; READ_OCTETS]);
    loop {
        if let Some(message) = decoder.next_message()? {
            return Ok(message);
        }
        match reader.read(&mut chunk).await? {
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            octets => decoder.feed(chunk.get(..octets).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests;
