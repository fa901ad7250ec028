//! The library's own log: `logs/boxlite.log` in every open home, a line for each event, a file for each day.
//!
//! What is worth a line is said with `tracing` where it happens. The first home that opens installs the subscriber, unless
//! the program around us has one; `outlet` takes lines to a thread of each home, `daily` is the file that it writes.
//! Opened and closed with the home by `opened`.
//!
//! Much of what is told belongs to no box, so a process that has several homes open writes every line to each of them.
//! Only lines of boxlite's own crates are written: libraries below may log headers and addresses that hold secrets.

pub(crate) mod daily;
pub(crate) mod date;
pub(crate) mod outlet;

use std::{env, fmt, path::Path, process, sync::Once};

use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    fmt::{
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    layer::SubscriberExt,
    registry,
    util::SubscriberInitExt,
};

/// Which lines are written, in the words of tracing's `EnvFilter`: `debug`, or `boxlite_images=trace,info`.
const VARIABLE: &str = "BOXLITE_LOG";
const DEFAULT: &str = "info";

static INSTALLED: Once = Once::new();

/// Begins the log of a home whose logs lie in `folder`. A log that can't be written is no reason not to open the home.
pub(crate) fn attach(folder: &Path) -> Option<outlet::HomeLog> {
    let log = outlet::HomeLog::begin(folder).ok()?;
    INSTALLED.call_once(install);
    Some(log)
}

fn install() {
    let asked = env::var(VARIABLE).unwrap_or_default();
    let asked = if asked.is_empty() { DEFAULT } else { &asked };
    let (filter, refused) = match EnvFilter::try_new(asked) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(DEFAULT), Some(error)),
    };
    let ours = filter_fn(|metadata| metadata.target().starts_with("boxlite"));
    let lines =
        tracing_subscriber::fmt::layer().with_ansi(false).with_timer(Stamp).with_writer(outlet::Outlets);
    // Where the program has a subscriber of its own, that gets our lines.
    let installed = registry().with(lines.with_filter(filter.and(ours))).try_init().is_ok();
    if let (true, Some(error)) = (installed, refused) {
        tracing::warn!(%error, asked, "{VARIABLE} can't be understood; the level is {DEFAULT}");
    }
}

/// The time of a line, and whose line it is: several processes may write to one file.
struct Stamp;

impl FormatTime for Stamp {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        SystemTime.format_time(writer)?;
        write!(writer, " [{}]", process::id())
    }
}
