//! What comes of packing or unpacking a tree on the host, as a `BoxliteError`. Called by `copy_in` and `copy_out`.

use std::io;

use boxlite_archive::Error as ArchiveError;
use boxlite_error::{BoxliteError, ErrorCode, FileFault, Term, text};
use tokio::task::JoinError;

/// What a thread that packs or unpacks has returned.
pub(super) fn joined<T>(done: Result<Result<T, ArchiveError>, JoinError>) -> Result<T, ArchiveError> {
    done.unwrap_or_else(|error| Err(ArchiveError::Stream(io::Error::other(error))))
}

/// The error for callers of a copy.
pub(super) fn from_archive(error: &ArchiveError) -> BoxliteError {
    match error {
        ArchiveError::System { errno, syscall, path } => BoxliteError::of_file(FileFault {
            errno: *errno as i32,
            syscall: (*syscall).to_owned(),
            path: Some(path.to_string_lossy().into_owned()),
            dest: None,
            refusal: None,
        }),
        ArchiveError::Exceeded { what, most } => {
            let message = format!("copy out: the box sends more than {most} {what}");
            BoxliteError::new(ErrorCode::CopyTooLarge, message).hint(text![
                "raise ",
                Term::Option("max_bytes"),
                " or ",
                Term::Option("max_entries"),
                ", or copy less; what came before is there"
            ])
        }
        other => BoxliteError::new(ErrorCode::ArchiveInvalid, other.to_string()),
    }
}
