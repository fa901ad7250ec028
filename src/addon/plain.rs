//! `Plain`: a value that the runtime can serialise, as a plain JavaScript object: what it reports (boxes, images, executions, events,
//! figures), and the options of homes, boxes and lists. Fields have the names that they have in Rust. The files of the same nouns in
//! `lib/` translate from and to the public form.

use boxlite_runtime::{BoxliteError, BoxliteResult, ErrorCode};
use napi::{
    Env, Result,
    bindgen_prelude::{FromNapiValue, Function, JsObjectValue as _, Object, ToNapiValue, TypeName, Unknown},
    sys,
};
use serde::{Serialize, de::DeserializeOwned};

/// Crosses as one JSON text, which costs less than a crossing for each field. Numbers are what JavaScript has: exact up to 2^53.
pub struct Plain(String);

impl Plain {
    /// The plain form of `value`.
    pub(crate) fn of(value: impl Serialize) -> BoxliteResult<Self> {
        serde_json::to_string(&value)
            .map(Self)
            .map_err(|error| BoxliteError::new(ErrorCode::Internal, "hand over a report").caused_by(error))
    }

    /// The value, of which `lib/options` has checked all that JavaScript can know.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> BoxliteResult<T> {
        serde_json::from_str(&self.0).map_err(|error| BoxliteError::invalid(format!("read options: {error}")))
    }
}

impl TypeName for Plain {
    fn type_name() -> &'static str {
        "Plain"
    }

    fn value_type() -> napi::ValueType {
        napi::ValueType::Object
    }
}

impl ToNapiValue for Plain {
    unsafe fn to_napi_value(raw: sys::napi_env, Self(text): Self) -> Result<sys::napi_value> {
        let json: Object<'_> = Env::from_raw(raw).get_global()?.get_named_property("JSON")?;
        let parse: Function<'_, String, Unknown<'_>> = json.get_named_property("parse")?;
        // SAFETY: napi calls this with the environment of the current scope, in which the object was made.
        unsafe { Unknown::to_napi_value(raw, parse.call(text)?) }
    }
}

impl FromNapiValue for Plain {
    unsafe fn from_napi_value(raw: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        let json: Object<'_> = Env::from_raw(raw).get_global()?.get_named_property("JSON")?;
        let stringify: Function<'_, Unknown<'_>, String> = json.get_named_property("stringify")?;
        // SAFETY: napi calls this with a value of the environment's current scope.
        let text = stringify.call(unsafe { Unknown::from_napi_value(raw, value)? })?;
        Ok(Self(without_surrogates(&text)))
    }
}

/// Puts replacement characters for lone surrogates, which UTF-8 can't hold, as napi does in every string that crosses. They are what
/// `JSON.stringify` escapes by `\ud`, and nothing else is.
fn without_surrogates(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let mut rest = json;
    while let Some((before, escape)) = rest.find('\\').map(|at| rest.split_at(at)) {
        let surrogate = escape.starts_with("\\ud");
        let Some((escape, after)) = escape.split_at_checked(if surrogate { 6 } else { 2 }) else { break };
        text.push_str(before);
        text.push_str(if surrogate { "\u{fffd}" } else { escape });
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lone_surrogates_are_replaced() {
        for (json, text) in [
            (r#"{"a":"\ud800b"}"#, "{\"a\":\"\u{fffd}b\"}"),
            (r#""\\ud800 \n\u0001\\""#, r#""\\ud800 \n\u0001\\""#),
            (r#""\\\udfff""#, "\"\\\\\u{fffd}\""),
        ] {
            assert_eq!(without_surrogates(json), text);
        }
    }
}
