//! `append`: bytes that arrive in chunks, kept in one vector up to a bound. Called by `executions` and `files`.

use bytes::Bytes;

/// Appends what fits of `chunk` into `max` bytes. Returns whether all of it did.
pub(in crate::litebox) fn append(data: &mut Vec<u8>, chunk: Bytes, max: usize) -> bool {
    let room = max - data.len();
    let fits = chunk.len() <= room;
    if data.is_empty() && fits {
        // Taken over without a copy where nobody else holds it.
        *data = chunk.into();
    } else {
        data.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
    }
    fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_bound_fits_and_one_byte_more_is_cut() {
        let mut stream = vec![];
        for text in ["12", "345"] {
            assert!(append(&mut stream, text.into(), 5));
        }
        assert!(!append(&mut stream, "6".into(), 5));
        assert_eq!(stream, b"12345");
        let mut stream = vec![];
        assert!(!append(&mut stream, "123456".into(), 5));
        assert_eq!(stream, b"12345");
        assert!(!append(&mut vec![], "x".into(), 0));
    }
}
