//! MLLP framing: `0x0B` message `0x1C 0x0D` (HL7 v2.5.1 Minimal Lower Layer Protocol, release 1).

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

const START: u8 = 0x0B;
const END: u8 = 0x1C;
const CARRIAGE_RETURN: u8 = 0x0D;
/// Bytes outside a frame that are passed over: line ends that some senders add.
const BETWEEN: [u8; 2] = [b'\r', b'\n'];

/// What is wrong with a frame. After any of these the stream cannot be trusted, so the connection is closed.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A byte other than a line end stands before the start block.
    #[error("byte {offset} of the stream stands outside a frame: a start block (`0x0B`) is expected")]
    OutsideFrame {
        /// How many bytes of the connection were read before it.
        offset: u64,
    },
    /// A second start block stands inside a frame.
    #[error("a start block (`0x0B`) stands inside the frame that began at byte {begin}")]
    NestedStart {
        /// Where the frame began.
        begin: u64,
    },
    /// The end block is not followed by a carriage return.
    #[error("the end block (`0x1C`) of the frame that began at byte {begin} is not followed by `0x0D`")]
    BrokenEnd {
        /// Where the frame began.
        begin: u64,
    },
    /// The frame is longer than the limit.
    #[error("the frame that began at byte {begin} is longer than {limit} bytes")]
    TooLong {
        /// Where the frame began.
        begin: u64,
        /// The limit.
        limit: usize,
    },
    /// The connection ended inside a frame.
    #[error("the connection ended inside the frame that began at byte {begin}")]
    Truncated {
        /// Where the frame began.
        begin: u64,
    },
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
}

/// Splits a byte stream into messages and wraps answers.
#[derive(Debug)]
pub struct Frames {
    limit: usize,
    /// Bytes taken out of the stream so far.
    taken: u64,
    /// Bytes of the buffer known to hold neither a start nor an end block.
    scanned: usize,
    /// Whether the start block of a frame has been taken.
    inside: bool,
}

impl Frames {
    /// Frames whose content is at most `limit` bytes.
    pub fn new(limit: usize) -> Frames {
        Frames { limit, taken: 0, scanned: 0, inside: false }
    }

    /// Whether a frame has begun and not ended.
    pub fn inside(&self) -> bool {
        self.inside
    }

    fn begin(&self) -> u64 {
        self.taken.saturating_sub(1)
    }

    fn take(&mut self, buffer: &mut BytesMut, count: usize) {
        buffer.advance(count);
        self.taken += count as u64;
    }
}

impl Decoder for Frames {
    type Item = Bytes;
    type Error = FrameError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        if !self.inside {
            let blank = buffer.iter().take_while(|byte| BETWEEN.contains(byte)).count();
            self.take(buffer, blank);
            match buffer.first() {
                None => return Ok(None),
                Some(&START) => self.take(buffer, 1),
                Some(_) => return Err(FrameError::OutsideFrame { offset: self.taken }),
            }
            self.inside = true;
            self.scanned = 0;
        }
        let rest = buffer.get(self.scanned..).unwrap_or_default();
        let Some(found) = memchr::memchr2(START, END, rest) else {
            self.scanned = buffer.len();
            if buffer.len() > self.limit {
                return Err(FrameError::TooLong { begin: self.begin(), limit: self.limit });
            }
            return Ok(None);
        };
        let at = self.scanned + found;
        self.scanned = at;
        if at > self.limit {
            return Err(FrameError::TooLong { begin: self.begin(), limit: self.limit });
        }
        if buffer.get(at) == Some(&START) {
            return Err(FrameError::NestedStart { begin: self.begin() });
        }
        match buffer.get(at + 1) {
            None => Ok(None),
            Some(&CARRIAGE_RETURN) => {
                let message = buffer.split_to(at).freeze();
                self.taken += at as u64;
                self.take(buffer, 2);
                self.inside = false;
                self.scanned = 0;
                Ok(Some(message))
            }
            Some(_) => Err(FrameError::BrokenEnd { begin: self.begin() }),
        }
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        match self.decode(buffer)? {
            Some(message) => Ok(Some(message)),
            None if self.inside => Err(FrameError::Truncated { begin: self.begin() }),
            None => Ok(None),
        }
    }
}

impl Encoder<&str> for Frames {
    type Error = FrameError;

    fn encode(&mut self, message: &str, buffer: &mut BytesMut) -> Result<(), FrameError> {
        buffer.reserve(message.len() + 3);
        buffer.put_u8(START);
        buffer.put_slice(message.as_bytes());
        buffer.put_slice(&[END, CARRIAGE_RETURN]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(bytes: &[u8], limit: usize) -> (Vec<Bytes>, Option<FrameError>) {
        let mut frames = Frames::new(limit);
        let mut buffer = BytesMut::from(bytes);
        let mut found = Vec::new();
        loop {
            match frames.decode_eof(&mut buffer) {
                Ok(Some(message)) => found.push(message),
                Ok(None) => return (found, None),
                Err(error) => return (found, Some(error)),
            }
        }
    }

    #[test]
    fn pipelined_frames_come_out_in_order() {
        let (found, error) = all(b"\x0bMSH|1\x1c\x0d\r\n\x0bMSH|2\x1c\x0d", 100);
        assert!(error.is_none());
        assert_eq!(found, [Bytes::from_static(b"MSH|1"), Bytes::from_static(b"MSH|2")]);
    }

    #[test]
    fn wrong_frames_are_named_with_their_place() {
        let text = |bytes: &[u8]| all(bytes, 8).1.unwrap().to_string();
        assert_eq!(
            text(b"GET / HTTP/1.1"),
            "byte 0 of the stream stands outside a frame: a start block (`0x0B`) is expected"
        );
        assert!(text(b"\x0bMSH\x0bMSH").contains("inside the frame that began at byte 0"));
        assert!(text(b"\x0bMSH\x1c\x0d\x0bMSH\x1cX").contains("began at byte 6 is not followed"));
        assert!(text(b"\x0b123456789").contains("longer than 8 bytes"));
        assert!(text(b"\x0b123456789\x1c\x0d").contains("longer than 8 bytes"));
        assert!(text(b"\x0b1234").contains("connection ended inside"));
        assert!(text(b"\x0b1234\x1c").contains("connection ended inside"));
    }

    proptest! {
        #[test]
        fn cutting_the_stream_anywhere_changes_nothing(
            messages in prop::collection::vec(prop::collection::vec(0x20u8..0x7f, 0..40), 0..6),
            cuts in prop::collection::vec(1usize..20, 1..60),
        ) {
            let mut stream = Vec::new();
            for message in &messages {
                stream.push(START);
                stream.extend(message);
                stream.extend([END, CARRIAGE_RETURN]);
            }
            let mut frames = Frames::new(64);
            let mut buffer = BytesMut::new();
            let mut found = Vec::new();
            let mut rest = stream.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                buffer.extend_from_slice(now);
                rest = later;
                while let Some(message) = frames.decode(&mut buffer).unwrap() { found.push(message.to_vec()); }
            }
            prop_assert_eq!(found, messages);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = all(&bytes, 50);
        }
    }
}
