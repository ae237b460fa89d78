//! Data sets with a list of their videos: JSON (`{"video": frames, …}`), or text with the name of a
//! video and the number of its frames on each line.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::{
    DataError,
    images::{entries, has_extension},
};

/// A video that a data set names.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub name: String,
    pub path: PathBuf,
    /// The number of frames that a list states.
    pub frames: Option<usize>,
}

/// Reads a list. The videos are folders (or files) of these names beside the list, or in the one
/// folder beside it that has the first of them, such as `JPEGImages`.
///
/// # Errors
/// The list cannot be read, is no list or is empty, or its videos cannot be found.
pub(super) fn read(file: &Path) -> Result<Vec<Named>, DataError> {
    let text = fs::read_to_string(file).map_err(DataError::read(file))?;
    let videos = match has_extension(file, &["json"]) {
        true => of_json(&text),
        false => of_text(&text),
    };
    let videos = videos.map_err(|problem| DataError::file(file, problem))?;
    let Some(first) = videos.keys().next() else {
        return Err(DataError::file(file, "the list names no video"));
    };
    let root = root(file, first)?;
    let named = |(name, frames): (String, usize)| Named {
        path: root.join(&name),
        name,
        frames: Some(frames),
    };
    Ok(videos.into_iter().map(named).collect())
}

fn of_json(text: &str) -> Result<BTreeMap<String, usize>, String> {
    serde_json::from_str(text).map_err(|error| {
        format!("this is no object of JSON from videos to numbers of frames: {error}")
    })
}

fn of_text(text: &str) -> Result<BTreeMap<String, usize>, String> {
    let mut videos = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let parts = line.rsplit_once(char::is_whitespace);
        let video = parts.and_then(|(name, frames)| Some((name.trim(), frames.parse().ok()?)));
        let Some((name, frames)) = video else {
            return Err(format!(
                "line {number} is not the name of a video and the number of its frames"
            ));
        };
        videos.insert(name.to_owned(), frames);
    }
    Ok(videos)
}

/// Returns the folder that the videos of a list are in.
fn root(file: &Path, first: &str) -> Result<PathBuf, DataError> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    if folder.join(first).exists() {
        return Ok(folder);
    }
    let mut found = entries(&folder)?;
    found.retain(|entry| entry.join(first).exists());
    match found.as_slice() {
        [root] => Ok(root.clone()),
        [] => Err(DataError::file(
            file,
            format!("its video {first} is neither beside the list nor in a folder beside it"),
        )),
        _ => Err(DataError::file(
            file,
            format!("several folders beside the list have the video {first}: keep one"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_json_or_text() {
        let expected = BTreeMap::from([("a b".to_owned(), 30), ("c".to_owned(), 7)]);
        assert_eq!(of_json(r#"{"c": 7, "a b": 30}"#), Ok(expected.clone()));
        assert_eq!(of_text("# videos\n\na b 30\nc\t7\n"), Ok(expected));
        assert!(of_json("[1]").unwrap_err().contains("no object"));
        assert!(of_text("a 1\nb\n").unwrap_err().contains("line 2"));
        assert!(of_text("a -1").unwrap_err().contains("line 1"));
    }
}
