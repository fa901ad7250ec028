//! `doctor`: what this machine can do, as a plain object. Wrapped by `lib/doctor.ts`, calls `BoxliteRuntime::doctor`.

use boxlite_runtime::{BoxliteRuntime, VmmKind};
use napi_derive::napi;

use crate::{
    answer::{Answer, answer},
    plain::Plain,
    words::worded,
};

/// What this machine can do.
#[napi(object, object_from_js = false)]
pub struct DoctorReport {
    /// Whether a box can run.
    pub ok: bool,
    /// The engine that would run it.
    pub engine: Option<&'static str>,
    /// Whether on hardware virtualisation.
    pub accelerated: bool,
    /// The findings.
    pub checks: Vec<DoctorCheck>,
}

/// One finding.
#[napi(object, object_from_js = false)]
pub struct DoctorCheck {
    /// Stable name.
    pub code: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// Examines this machine.
#[napi]
pub fn doctor(options: Plain) -> Answer {
    answer(&(), async move |()| Ok(DoctorReport::from(BoxliteRuntime::doctor(options.read()?).await)))
}

impl From<boxlite_runtime::DoctorReport> for DoctorReport {
    fn from(report: boxlite_runtime::DoctorReport) -> Self {
        let checks = report.checks.into_iter();
        Self {
            ok: report.ok,
            engine: report.engine.map(VmmKind::as_str),
            accelerated: report.accelerated,
            checks: checks
                .map(|check| DoctorCheck {
                    code: check.code,
                    ok: check.ok,
                    message: worded(&check.message),
                    remedy: check.remedy.as_ref().map(worded),
                })
                .collect(),
        }
    }
}
