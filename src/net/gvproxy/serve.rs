//! `Serve`: keeps a program running for one box, and tells when it has ended. Runs on the backend's thread until it is stopped or the
//! machine is gone.

use std::{
    io::{self, Write as _},
    os::unix::net::UnixStream as StdStream,
    process::ExitStatus,
    sync::Arc,
    time::Duration,
};

use boxlite_spec::network::{NetworkLimits, control::Refusal, rule::Protocol};
use tokio::{
    net::UnixStream,
    sync::oneshot,
    time::{Instant, sleep},
};

use super::{
    api::Api,
    program::{Program, Recipe},
    relay::{CLOSED, Ended, Relay},
};
use crate::{
    backend::{NetworkError, Reports},
    gateway::link::Link,
};

/// The pause before a program is started again. It doubles up to the longest, and begins anew when one has run for that long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What is served, and by what.
#[derive(Debug)]
pub(super) struct Serve {
    pub(super) recipe: Recipe,
    pub(super) relay: Relay,
    pub(super) api: Arc<Api>,
    pub(super) reports: Reports,
}

/// Why a program is not served any more.
enum Over {
    /// There is nobody to serve.
    Done,
    /// The program has ended, as this says.
    Program(String),
}

impl Serve {
    /// Serves until the machine is gone or `stop` is dropped. `started` is told what became of the first start; if that failed, it is over.
    pub(super) async fn run(
        mut self,
        started: impl FnOnce(Result<(), NetworkError>),
        mut stop: oneshot::Receiver<()>,
    ) {
        let mut program = match self.start().await {
            Ok(program) => program,
            Err(error) => return started(Err(error)),
        };
        started(Ok(()));
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            let over = tokio::select! {
                biased;
                _ = &mut stop => Over::Done,
                status = program.ended() => Over::Program(says(&status)),
                ended = self.relay.run() => match ended {
                    Ended::Machine => Over::Done,
                    Ended::Program => Over::Program("hung up".into()),
                },
            };
            let last_words = program.last_words();
            program.end().await;
            let Over::Program(how) = over else { return };
            self.api.ended();
            self.relay.set_program(None);
            self.tell(&format!("{how}, and is started again; the end of its log: {last_words}"));
            if began.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            program = loop {
                let wait = async {
                    sleep(pause).await;
                    self.recipe.start().await
                };
                let again = tokio::select! {
                    _ = &mut stop => return,
                    // Without a program, only the machine can end.
                    _ = self.relay.run() => return,
                    again = wait => again,
                };
                pause = (pause * 2).min(LONGEST_PAUSE);
                match again.and_then(|(program, stream)| self.attach(stream).map(|()| program)) {
                    Ok(program) => break program,
                    Err(error) => self.tell(&format!("is not there: {error}")),
                }
            };
        }
    }

    async fn start(&mut self) -> Result<Program, NetworkError> {
        let (program, stream) = self.recipe.start().await?;
        self.attach(stream)?;
        Ok(program)
    }

    fn attach(&mut self, stream: UnixStream) -> Result<(), NetworkError> {
        let failed = |error| NetworkError::io("connect to gvproxy", error);
        let stream: StdStream = stream.into_std().map_err(failed)?;
        // The bounds of bandwidth are kept at the machine's side.
        let unbounded = NetworkLimits::default();
        self.relay.set_program(Some(Link::new(stream, &unbounded).map_err(failed)?));
        Ok(())
    }

    /// Tells the runtime that everything is refused for now, and the box's log why.
    fn tell(&self, what: &str) {
        self.reports.refusals.report(Refusal {
            address: None,
            port: 0,
            protocol: Protocol::Tcp,
            name: None,
            rule: CLOSED.into(),
            count: 1,
        });
        let _ = writeln!(io::stderr(), "the network: gvproxy {what}");
    }
}

fn says(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("ended with {status}"),
        Err(error) => format!("can't be waited for: {error}"),
    }
}
