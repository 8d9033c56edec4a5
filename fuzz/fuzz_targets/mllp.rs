//! MLLP frames: the same frames come out however the bytes arrive, and what is written is read again.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use sgw::api::mllp::frame::Frames;
use sgw::api::mllp::header::Header;
use tokio_util::codec::{Decoder, Encoder};

const LIMIT: usize = 512;

/// The frames of a stream that arrives in pieces of this size, and whether it ended in an error.
fn frames(bytes: &[u8], piece: usize) -> (Vec<Vec<u8>>, bool) {
    let (mut codec, mut buffer, mut found) = (Frames::new(LIMIT), BytesMut::new(), Vec::new());
    for part in bytes.chunks(piece) {
        buffer.extend_from_slice(part);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(frame)) => found.push(frame.to_vec()),
                Ok(None) => break,
                Err(_) => return (found, true),
            }
        }
    }
    loop {
        match codec.decode_eof(&mut buffer) {
            Ok(Some(frame)) => found.push(frame.to_vec()),
            Ok(None) => return (found, false),
            Err(_) => return (found, true),
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let whole = frames(bytes, bytes.len().max(1));
    assert_eq!(whole, frames(bytes, 1));
    assert_eq!(whole, frames(bytes, 7));
    for frame in &whole.0 {
        assert!(frame.len() <= LIMIT);
        let _ = Header::read(frame);
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && text.len() <= LIMIT
        && !text.contains(['\u{b}', '\u{1c}'])
    {
        let mut buffer = BytesMut::new();
        let mut codec = Frames::new(LIMIT);
        codec.encode(text, &mut buffer).expect("a frame is written");
        assert_eq!(codec.decode(&mut buffer).expect("and read").as_deref(), Some(text.as_bytes()));
    }
});
