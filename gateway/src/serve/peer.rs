//! A connection that waits only so long for a peer that takes nothing, and is not torn down while the peer may
//! still want to read why.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    runtime::Handle,
    time::{Instant, Sleep, sleep, timeout},
};

use super::connections::Slot;

/// For how long a closed connection takes what the peer still sends, and drops it. A connection that is closed
/// with unread bytes is reset, and a reset may reach the peer before the last answer or close frame is read.
const LINGER: Duration = Duration::from_secs(1);

/// One peer's connection.
pub(super) struct Peer {
    /// `None` only while it is dropped.
    stream: Option<TcpStream>,
    stalled_max: Duration,
    /// Runs while the peer takes nothing of what is to be written.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Held until the descriptor is closed.
    slot: Slot,
}

impl Peer {
    pub(super) fn new(stream: TcpStream, stalled_max: Duration, slot: Slot) -> Self {
        Self { stream: Some(stream), stalled_max, stalled: None, slot }
    }

    fn stream(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(self.stream.as_mut().expect("the stream is there until the peer is dropped"))
    }

    /// Passes on what a write came to, unless nothing was taken for too long.
    fn in_time<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let wait = self.stalled_max;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(wait)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing")))
    }
}

impl AsyncRead for Peer {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, into)
    }
}

impl AsyncWrite for Peer {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.stream().poll_write(cx, bytes);
        self.in_time(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream().poll_write_vectored(cx, parts);
        self.in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let (Some(stream), Ok(runtime)) = (self.stream.take(), Handle::try_current()) else { return };
        let slot = self.slot.clone();
        runtime.spawn(async move {
            let _ = timeout(LINGER, drain(stream)).await;
            drop(slot);
        });
    }
}

/// Takes what the peer still sends, until it closes as well.
async fn drain(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let (mut dropped, until) = ([0; 4096], Instant::now() + LINGER);
    while Instant::now() < until && stream.read(&mut dropped).await.is_ok_and(|bytes| bytes > 0) {}
}
