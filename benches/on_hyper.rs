//! hyper's traits `Read` and `Write` over glassloop's TCP stream; tokio's adapter comes with hyper-util.

use hyper::rt::{Read, ReadBufCursor, Write};
use runtime::net::TcpStream;
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A TCP stream as hyper wants it.
#[derive(Debug)]
pub struct HttpStream {
    stream: TcpStream,
    /// Where bytes land before they are copied to hyper's buffer, which is not initialised: to read into it directly
    /// takes `unsafe`.
    buffer: Box<[u8]>,
}

impl HttpStream {
    pub(crate) fn new(stream: TcpStream) -> HttpStream {
        HttpStream { stream, buffer: vec![0; 8 * 1024].into() }
    }
}

impl Read for HttpStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut cursor: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let HttpStream { stream, buffer } = self.get_mut();
        let room = buffer.len().min(cursor.remaining());
        loop {
            ready!(stream.poll_read_ready(cx))?;
            match stream.try_read(&mut buffer[..room]) {
                Ok(length) => {
                    cursor.put_slice(&buffer[..length]);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Write for HttpStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shutdown(Shutdown::Write))
    }
}
