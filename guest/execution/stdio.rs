//! The pipes of an execution that is about to start: this process's ends and the child's.
//!
//! Created by `start`.

use std::{io, os::fd::OwnedFd};

use boxlite_proto::v1::ExecRequest;
use tokio::io::Interest;

use super::pipe::{self, Pipe};

/// Both ends of the streams. A terminal takes the place of all of them, and is made by the zygote.
pub(super) struct Stdio {
    pub(super) stdin: Option<Pipe>,
    pub(super) stdout: Option<Pipe>,
    pub(super) stderr: Option<Pipe>,
    /// The child's ends, in the zygote's order.
    pub(super) child: Vec<OwnedFd>,
}

impl Stdio {
    pub(super) fn new(request: &ExecRequest) -> io::Result<Self> {
        let mut ends = Self { stdin: None, stdout: None, stderr: None, child: Vec::new() };
        if request.tty.is_some() {
            return Ok(ends);
        }
        if request.stdin {
            let (child, ours) = pipe::pair()?;
            ends.stdin = Some(pipe::watch(ours, Interest::WRITABLE)?);
            ends.child.push(child);
        }
        for stream in [&mut ends.stdout, &mut ends.stderr] {
            let (ours, child) = pipe::pair()?;
            *stream = Some(pipe::watch(ours, Interest::READABLE)?);
            ends.child.push(child);
        }
        Ok(ends)
    }
}
