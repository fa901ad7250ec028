//! The box of a name, whether or not it is there already. Part of [`BoxliteRuntime`].

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode};

use crate::{litebox::handle::LiteBox, options::box_options::BoxOptions, runtime::BoxliteRuntime};

/// How often the box may be made and removed by others before that is an error.
const ATTEMPTS: usize = 16;

impl BoxliteRuntime {
    /// The box that has the name in `options`, or else a new one. Of many callers at once, in this process and others,
    /// one makes the box and all get the same. One that is there is not changed, whatever the other options say.
    ///
    /// # Errors
    /// As `create`; `INVALID_ARGUMENT` without a name.
    pub async fn get_or_create(&self, options: BoxOptions) -> BoxliteResult<LiteBox> {
        let Some(name) = options.name.clone() else {
            return Err(BoxliteError::invalid_option("name", "get or create a box: a name is needed"));
        };
        // Also of a box that exists, so that a mistake does not hide until there is none.
        options.check()?;
        for _ in 0..ATTEMPTS {
            match self.get(&name).await {
                // An id that reads like the name is no match.
                Ok(litebox) if litebox.name().as_ref() == Some(&name) => return Ok(litebox),
                Ok(_) => {}
                Err(error) if error.code() == ErrorCode::BoxNotFound => {}
                Err(error) => return Err(error),
            }
            match self.create(options.clone()).await {
                // Another caller was faster.
                Err(error) if error.code() == ErrorCode::BoxNameTaken => {}
                result => return result,
            }
        }
        Err(BoxliteError::new(
            ErrorCode::BoxNameTaken,
            format!("get or create box `{name}`: it was made and removed {ATTEMPTS} times meanwhile"),
        ))
    }
}
