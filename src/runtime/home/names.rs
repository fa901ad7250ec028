//! Which box has which name, by the files of the home. Other processes take names too, and a box whose config is damaged keeps its
//! name, so the files are read each time. Called when a box is created or renamed, and by `unreadable`.

use std::{fs::File, io::Read, path::Path};

use boxlite_error::{BoxliteError, BoxliteResult, ErrorCode, resource_limits};
use serde::Deserialize;

use crate::{home::open_home::OpenHome, state::json_file};

/// A config is searched for its name only in so many bytes from its start.
const BEGINNING: u64 = 64 << 10;

/// The part of a box's `config.json` that matters here, whoever wrote the file.
#[derive(Deserialize)]
struct Named {
    name: Option<String>,
}

impl OpenHome {
    /// Refuses a name that a box has. Call it under the home's lock. Blocking.
    ///
    /// # Errors
    /// `BOX_NAME_TAKEN`, which says by whom; `STORAGE_IO` if the boxes can't be listed; `HOST_LIMIT` if this process may open no more
    /// files, since a name that can't be read is not free.
    pub(crate) fn check_free(&self, name: &str) -> BoxliteResult<()> {
        for id in self.layout.box_ids()? {
            let config = self.layout.of_box(&id).config();
            if name_of(&config)?.as_deref() == Some(name) {
                let message = format!("name a box `{name}`: the name belongs to box `{id}`");
                return Err(BoxliteError::new(ErrorCode::BoxNameTaken, message)
                    .hint("choose another name, remove that box, or `get` it by this name"));
            }
        }
        Ok(())
    }
}

/// Returns the name in the config at `path`, even if the rest of the file is damaged.
pub(super) fn name_in(path: &Path) -> Option<String> {
    name_of(path).ok().flatten()
}

/// The same.
///
/// # Errors
/// `HOST_LIMIT`. A file that can't be read for another reason has no name.
fn name_of(path: &Path) -> BoxliteResult<Option<String>> {
    let mut text = Vec::new();
    match File::open(path).and_then(|file| file.take(BEGINNING).read_to_end(&mut text)) {
        Err(error) if resource_limits::caused(&error) => return Err(BoxliteError::io("open", path, error)),
        Err(_) => return Ok(None),
        Ok(_) => {}
    }
    // boxlite writes one field a line, those of the box indented by two. Finding this one is faster than parsing the file, which
    // counts in a home of many boxes, and damage elsewhere in the file does not matter.
    let text = String::from_utf8_lossy(&text);
    match text.lines().find_map(|line| line.strip_prefix("  \"name\": ")) {
        Some(name) => Ok(serde_json::from_str(name.trim_end_matches(',')).ok().flatten()),
        None => Ok(json_file::read_if_whole::<Named>(path)?.and_then(|named| named.name)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_name_is_found_in_what_is_left_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.json");
        let name = |text: &str| {
            fs::write(&config, text).unwrap();
            name_in(&config)
        };
        let whole = "{\n  \"version\": 1,\n  \"name\": \"web\",\n  \"labels\": {\n    \"name\": \"no\"\n";
        assert_eq!(name(whole).as_deref(), Some("web"));
        assert_eq!(name("{\"name\": \"compact\", \"version\": 99}").as_deref(), Some("compact"));
        assert_eq!(name("{\n  \"name\": null,\n"), None);
        assert_eq!(name("{\n  \"name\": \"we"), None);
        assert_eq!(name("\0\0\0"), None);
        assert_eq!(name_in(Path::new("/nowhere")), None);
    }
}
