//! How long a guest may take from its power-on to a container that takes executions. Asked by `boot`.

use std::time::Duration;

use crate::{home::open_home::OpenHome, options::box_options::BoxOptions, shim::engine::Engine};

/// Under hardware virtualisation: a start takes a quarter of a second, also a loaded machine's no more than a few.
const ACCELERATED: Duration = Duration::from_secs(15);
/// Under emulation, where a start takes seconds and a loaded machine's many.
const EMULATED: Duration = Duration::from_mins(1);

/// What was asked for; `None` is what fits the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BootTimeout(Option<Duration>);

impl BootTimeout {
    /// Of one start: what its caller says, else the box, else the runtime.
    pub(crate) fn of(caller: Option<Duration>, options: &BoxOptions, home: &OpenHome) -> Self {
        let of_box = options.start_timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        Self(caller.or(of_box).or(home.start_timeout))
    }

    /// On `engine`.
    pub(crate) fn on(self, engine: Engine) -> Duration {
        self.0.unwrap_or(if engine.accelerated { ACCELERATED } else { EMULATED })
    }
}

#[cfg(test)]
mod tests {
    use boxlite_spec::VmmKind;

    use super::*;

    #[test]
    fn it_fits_the_engine_unless_somebody_says_otherwise() {
        let hardware = Engine { kind: VmmKind::Krun, accelerated: true };
        let emulation = Engine { kind: VmmKind::Qemu, accelerated: false };
        assert!(BootTimeout(None).on(hardware) < BootTimeout(None).on(emulation));
        let asked = BootTimeout(Some(Duration::from_millis(700)));
        assert_eq!(
            (asked.on(hardware), asked.on(emulation)),
            (Duration::from_millis(700), Duration::from_millis(700))
        );
    }
}
