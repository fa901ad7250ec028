//! What a guest answers, checked: an answer that carries a failure becomes a `BoxliteError`.

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, FileFault, FileRefusal as Refusal};
use boxlite_proto::v1::{FileAnswer, FileError, FileRefusal};
use futures::{Stream, StreamExt as _};
use tonic::Streaming;

use crate::status::{bounded, from_status};

/// Longest path, Linux's `PATH_MAX`, that an error may name.
const PATH: usize = 4096;

/// The answer, unless it carries a failure.
pub(super) fn checked(mut answer: FileAnswer) -> BoxliteResult<FileAnswer> {
    match answer.error.take() {
        Some(error) => Err(refused(&error)),
        None => Ok(answer),
    }
}

/// The answers of the stream `what`, each checked.
pub(super) fn answers(
    what: &'static str,
    stream: Streaming<FileAnswer>,
) -> impl Stream<Item = BoxliteResult<FileAnswer>> + Send + 'static {
    stream.map(move |answer| checked(answer.map_err(|status| from_status(what, &status))?))
}

/// The error for what the guest refused, with the guest's text cut and cleaned.
pub(super) fn refused(error: &FileError) -> BoxliteError {
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(PATH)]).into_owned();
        Some(text).filter(|text| !text.is_empty())
    };
    let ours = match error.refusal() {
        FileRefusal::CopyTooLarge => Some(ErrorCode::CopyTooLarge),
        FileRefusal::ExecUser => Some(ErrorCode::ExecUser),
        _ if error.errno == 0 => Some(ErrorCode::ArchiveInvalid),
        _ => None,
    };
    if let Some(code) = ours {
        return BoxliteError::new(code, format!("in the box: {}", bounded(&error.message)));
    }
    let fault = FileFault {
        errno: error.errno,
        syscall: bounded(&error.syscall),
        path: text(&error.path),
        dest: text(&error.to),
        refusal: match error.refusal() {
            FileRefusal::None => None,
            code => Some(Refusal { code: code.as_str_name(), reason: bounded(&error.message) }),
        },
    };
    BoxliteError::of_file(fault)
}
