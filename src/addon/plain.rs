//! `Plain`: what the runtime reports (boxes, images, executions, events, figures) as a plain JavaScript object, whose fields have
//! the names that they have in Rust. The file of the same noun in `lib/` makes the public form of it.

use boxlite_runtime::{BoxliteError, BoxliteResult, ErrorCode};
use napi::{
    Env, Result,
    bindgen_prelude::{Function, JsObjectValue as _, Object, ToNapiValue, Unknown},
    sys,
};
use serde::Serialize;

/// Crosses as one JSON text, which costs less than a crossing for each field. Numbers are what JavaScript has: exact up to 2^53.
pub struct Plain(String);

impl Plain {
    /// The plain form of `value`.
    pub(crate) fn of(value: impl Serialize) -> BoxliteResult<Self> {
        serde_json::to_string(&value)
            .map(Self)
            .map_err(|error| BoxliteError::new(ErrorCode::Internal, "hand over a report").caused_by(error))
    }
}

impl ToNapiValue for Plain {
    unsafe fn to_napi_value(raw: sys::napi_env, Self(text): Self) -> Result<sys::napi_value> {
        let env = Env::from_raw(raw);
        let json: Object<'_> = env.get_global()?.get_named_property("JSON")?;
        let parse: Function<'_, String, Unknown<'_>> = json.get_named_property("parse")?;
        // SAFETY: napi calls this with the environment of the current scope, in which the object was made.
        unsafe { Unknown::to_napi_value(raw, parse.call(text)?) }
    }
}
