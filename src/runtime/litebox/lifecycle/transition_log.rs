//! The transition log: each creation, change of state and removal of a box is written to the log and put on the event bus here, and
//! nowhere else.

use boxlite_error::Stage;

use crate::{
    events::{EventKind, bus::EventBus},
    litebox::lifecycle::state::BoxState,
    pipeline::timings::Timings,
    state::{config::BoxConfig, record::BoxRecord},
};

/// A box was created.
pub(crate) fn created(bus: &EventBus, config: &BoxConfig) {
    tracing::info!(box_id = config.id, name = name(config), image = config.options.image, "box created");
    state(bus, &config.id, None, Some(BoxState::Created), None);
}

/// A box went from one state to another.
pub(in crate::litebox) fn changed(bus: &EventBus, config: &BoxConfig, from: BoxState, record: &BoxRecord) {
    let (id, name, from_state) = (&config.id, name(config), from.as_str());
    match (record.state, &record.machine) {
        (BoxState::Running, Some(machine)) => tracing::info!(
            box_id = id,
            name,
            engine = machine.engine.kind.as_str(),
            accelerated = machine.engine.accelerated,
            pid = machine.shim.pid,
            total_ms = ms(machine.timings.total()),
            stages = stages(&machine.timings),
            "box started"
        ),
        (BoxState::Failed, _) => {
            let reason = record.failure.as_deref().unwrap_or("unknown");
            tracing::warn!(box_id = id, name, from = from_state, reason, "box failed");
        }
        (BoxState::Stopped, _) => tracing::info!(box_id = id, name, from = from_state, "box stopped"),
        (to, _) => tracing::debug!(box_id = id, from = from_state, to = to.as_str(), "box changes"),
    }
    state(bus, id, Some(from), Some(record.state), record.failure.clone());
}

/// A box was removed.
pub(in crate::litebox) fn removed(bus: &EventBus, config: &BoxConfig, from: BoxState) {
    tracing::info!(box_id = config.id, name = name(config), "box removed");
    state(bus, &config.id, Some(from), None, None);
}

fn name(config: &BoxConfig) -> Option<&str> {
    config.options.name.as_deref()
}

fn state(bus: &EventBus, id: &str, from: Option<BoxState>, to: Option<BoxState>, failure: Option<String>) {
    bus.emit(Some(id), || EventKind::State { from, to, failure });
}

/// `image=12.0 rootfs=3.1 …`, in milliseconds.
fn stages(timings: &Timings) -> String {
    let stage = |(stage, took): &(Stage, std::time::Duration)| format!("{}={:.1}", stage.as_str(), ms(*took));
    timings.stages().iter().map(stage).collect::<Vec<_>>().join(" ")
}

fn ms(took: std::time::Duration) -> f64 {
    (took.as_secs_f64() * 1e4).round() / 10.0
}
