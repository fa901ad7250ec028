//! Resource limits of the container's processes.
//!
//! Parsed once by `init`, applied by every execution to itself before it becomes the program.

use boxlite_proto::v1::Rlimit;
use nix::sys::resource::{Resource, setrlimit};

use crate::{Context as _, Error, Kind, Result};

/// Limits as setrlimit(2) takes them.
#[derive(Debug, Clone, Default)]
pub struct Rlimits(Vec<(Resource, u64, u64)>);

impl Rlimits {
    /// Parses limits with OCI's names, for example `RLIMIT_NOFILE`.
    ///
    /// # Errors
    ///
    /// A name is unknown.
    pub fn parse(limits: &[Rlimit]) -> Result<Self> {
        limits
            .iter()
            .map(|limit| Ok((resource(&limit.r#type)?, limit.soft, limit.hard)))
            .collect::<Result<_>>()
            .map(Self)
    }

    /// Applies them to this process.
    ///
    /// # Errors
    ///
    /// The kernel refuses a limit.
    pub fn apply(&self) -> Result<()> {
        for (kind, soft, hard) in &self.0 {
            setrlimit(*kind, *soft, *hard).context(|| format!("set {kind:?} to {soft}:{hard}"))?;
        }
        Ok(())
    }
}

/// Defines `resource`, which finds a resource by its name.
macro_rules! resources {
    ($($name:ident)*) => {
        fn resource(name: &str) -> Result<Resource> {
            match name {
                $(stringify!($name) => Ok(Resource::$name),)*
                _ => Err(Error::new(Kind::Invalid, format!("resource limit {name:?}: unknown"))),
            }
        }
    };
}

resources! {
    RLIMIT_AS RLIMIT_CORE RLIMIT_CPU RLIMIT_DATA RLIMIT_FSIZE RLIMIT_LOCKS RLIMIT_MEMLOCK RLIMIT_MSGQUEUE RLIMIT_NICE
    RLIMIT_NOFILE RLIMIT_NPROC RLIMIT_RSS RLIMIT_RTPRIO RLIMIT_RTTIME RLIMIT_SIGPENDING RLIMIT_STACK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_limit_is_refused_by_name() {
        let limit = Rlimit { r#type: "RLIMIT_MOOD".into(), soft: 1, hard: 1 };
        assert!(Rlimits::parse(&[limit]).expect_err("unknown").to_string().contains("RLIMIT_MOOD"));
    }
}
