//! The library's own log: `logs/boxlite.log` in every open home, a line for each event, a file for each day.
//!
//! The crates of boxlite log with `tracing`. A program that wants these files adds [`layer`] to its subscriber, or calls
//! [`install`] if it has none; boxlite installs nothing by itself. `outlet` takes lines to a thread of each home, and `daily` is the
//! file that it writes. An open home holds its `HomeLog`.
//!
//! Many lines belong to no box, so a process that has several homes open writes every line to each of them.
//! Only lines of boxlite's own crates are written: libraries below may log headers and addresses that hold secrets.

mod daily;
pub(crate) mod outlet;

use std::{env, fmt, path::Path, process, sync::Once};

use tracing::Subscriber;

use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, ParseError, filter_fn},
    fmt::{
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    layer::SubscriberExt,
    registry,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

/// Which lines are written, as tracing's `EnvFilter` reads it: `debug`, or `boxlite_images=trace,info`.
const VARIABLE: &str = "BOXLITE_LOG";
const DEFAULT: &str = "info";

/// The layer of a `tracing` subscriber that writes the lines of boxlite's crates to the log of every home that is open.
///
/// The environment variable `BOXLITE_LOG` says which lines, as `EnvFilter` reads it; the default is `info`.
pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    let ours = filter_fn(|metadata| metadata.target().starts_with("boxlite"));
    let filter = filter().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let lines =
        tracing_subscriber::fmt::layer().with_ansi(false).with_timer(Stamp).with_writer(|| outlet::Outlets);
    lines.with_filter(filter.and(ours))
}

/// Makes [`layer`] the subscriber of the whole process, unless there is one. Only the first call has an effect.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let _ = registry().with(layer()).try_init();
    });
}

/// Begins the log of a home whose logs lie in `folder`. A log that can't be written is no reason not to open the home.
pub(crate) fn attach(folder: &Path) -> Option<outlet::HomeLog> {
    let log = outlet::HomeLog::begin(folder).ok()?;
    if let Err(error) = filter() {
        tracing::warn!(%error, "{VARIABLE} can't be understood; the level is {DEFAULT}");
    }
    Some(log)
}

fn filter() -> Result<EnvFilter, ParseError> {
    let filter = env::var(VARIABLE).unwrap_or_default();
    EnvFilter::try_new(if filter.is_empty() { DEFAULT } else { &filter })
}

/// The time of a line and the pid of its process, since several processes may write to one file.
struct Stamp;

impl FormatTime for Stamp {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        SystemTime.format_time(writer)?;
        write!(writer, " [{}]", process::id())
    }
}
