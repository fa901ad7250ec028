//! How long a guest may take from its power-on to a container that takes executions. Used by `boot` and `update`.

use std::time::Duration;

use crate::{home::open_home::OpenHome, options::box_options::BoxOptions, shim::engine::Engine};

/// Under hardware virtualisation: a start takes a quarter of a second, also a loaded machine's no more than a few.
const ACCELERATED: Duration = Duration::from_secs(15);
/// Under emulation, where a start takes seconds and a loaded machine's many.
const EMULATED: Duration = Duration::from_mins(1);

/// The time that was requested; `None` is the default of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BootTimeout(Option<Duration>);

impl BootTimeout {
    /// The time for one start: the caller's, else the box's, else the runtime's.
    pub(crate) fn of(caller: Option<Duration>, options: &BoxOptions, home: &OpenHome) -> Self {
        let of_box = options.start_timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        Self(caller.or(of_box).or(home.options.start_timeout))
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
    fn it_is_the_engines_default_unless_one_is_requested() {
        let hardware = Engine { kind: VmmKind::Krun, accelerated: true };
        let emulation = Engine { kind: VmmKind::Qemu, accelerated: false };
        assert!(BootTimeout(None).on(hardware) < BootTimeout(None).on(emulation));
        let requested = BootTimeout(Some(Duration::from_millis(700)));
        assert_eq!(
            (requested.on(hardware), requested.on(emulation)),
            (Duration::from_millis(700), Duration::from_millis(700))
        );
    }
}
