//! The pipes of an execution that is about to start: this process's ends and the child's.
//!
//! Created by `start`.

use std::{io, os::fd::OwnedFd};

use boxlite_proto::v1::ExecRequest;
use tokio::io::Interest;

use super::pipe::{self, Pipe};

/// This process's ends of the streams. A terminal replaces all of them, and is made by the zygote.
pub(super) struct Stdio {
    pub(super) stdin: Option<Pipe>,
    pub(super) stdout: Option<Pipe>,
    pub(super) stderr: Option<Pipe>,
}

impl Stdio {
    /// Makes the pipes that `request` needs. Returns this process's ends and the child's, in the zygote's order.
    pub(super) fn new(request: &ExecRequest) -> io::Result<(Self, Vec<OwnedFd>)> {
        let (mut ends, mut child) = (Self { stdin: None, stdout: None, stderr: None }, Vec::new());
        if request.tty.is_some() {
            return Ok((ends, child));
        }
        if request.stdin {
            let (theirs, ours) = pipe::pair()?;
            ends.stdin = Some(pipe::watch(ours, Interest::WRITABLE)?);
            child.push(theirs);
        }
        for stream in [&mut ends.stdout, &mut ends.stderr] {
            let (ours, theirs) = pipe::pair()?;
            *stream = Some(pipe::watch(ours, Interest::READABLE)?);
            child.push(theirs);
        }
        Ok((ends, child))
    }
}
