//! `Outcome`: a result as a JavaScript value, `{ ok }` or `{ error }`. Made by `answer.rs`, unwrapped by `lib/binding.ts`.

use boxlite_runtime::BoxliteResult;
use napi::{
    Env, Result,
    bindgen_prelude::{Object, ToNapiValue, TypeName},
    sys,
};

use crate::error::Failure;

/// What an asynchronous method resolves with.
pub(crate) struct Outcome<T>(pub(crate) BoxliteResult<T>);

impl<T> TypeName for Outcome<T> {
    fn type_name() -> &'static str {
        "Outcome"
    }

    fn value_type() -> napi::ValueType {
        napi::ValueType::Object
    }
}

impl<T: ToNapiValue> ToNapiValue for Outcome<T> {
    unsafe fn to_napi_value(raw: sys::napi_env, outcome: Self) -> Result<sys::napi_value> {
        let mut object = Object::new(&Env::from_raw(raw))?;
        match outcome.0 {
            Ok(value) => object.set("ok", value)?,
            Err(error) => object.set("error", Failure::from(error))?,
        }
        // SAFETY: napi calls this with the environment of the current scope, in which the object was made.
        unsafe { Object::to_napi_value(raw, object) }
    }
}
