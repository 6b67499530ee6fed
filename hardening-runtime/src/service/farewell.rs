//! The end of a connection of HTTP/2 that loses no request (RFC 9113, section 6.8): the first GOAWAY refuses nothing and asks for no
//! new streams, and the second one, which does refuse, follows once the client has answered a ping that was sent with the first.
//!
//! Clients answer pings before they send what waits in their own queues. One that reads GOAWAY and ping at once so answers while
//! requests that it had begun before are not on their way yet, and those reach the server after it has drawn the line. The
//! ping is therefore sent a moment later: by then they are on their way, and nothing new is begun.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// A client that has read the GOAWAY has sent what was waiting after this. Answers on the connection wait as well, once.
const MOMENT: Duration = Duration::from_millis(100);

/// The ping of `h2`'s graceful shutdown.
const PING: &[u8] = b"\x00\x00\x08\x06\x00\x00\x00\x00\x00\x0b\x7b\xa2\xf0\x8b\x9b\xfe\x54";

/// Where one connection stands in saying that it ends.
#[derive(Debug, Default)]
pub(crate) enum Farewell {
    #[default]
    NotYet,
    Waits(Pin<Box<Sleep>>),
    Said,
}

impl Farewell {
    /// How many of these bytes may be written now; never none.
    pub(crate) fn may_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<usize> {
        if let Self::NotYet = self {
            match bytes.windows(PING.len()).position(|window| window == PING) {
                Some(0) => *self = Self::Waits(Box::pin(sleep(MOMENT))),
                Some(before) => return Poll::Ready(before),
                None => {}
            }
        }
        if let Self::Waits(moment) = self {
            ready!(moment.as_mut().poll(cx));
            *self = Self::Said;
        }
        Poll::Ready(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_ping_is_held_for_a_moment_and_nothing_else_is() {
        let mut farewell = Farewell::default();
        let mut write = async |bytes: &[u8]| {
            let began = Instant::now();
            let written = poll_fn(|cx| farewell.may_write(cx, bytes)).await;
            (written, began.elapsed())
        };
        assert_eq!(write(b"an answer").await, (9, Duration::ZERO));
        let both = [b"the first GOAWAY", PING, b"more"].concat();
        assert_eq!(write(&both).await, (16, Duration::ZERO));
        let (written, took) = write(&both[16..]).await;
        assert!(written == PING.len() + 4 && took >= MOMENT, "{written} {took:?}");
        assert_eq!(write(&both).await, (both.len(), Duration::ZERO), "only once");
    }
}
