//! Circles among what lies side by side in a folder.

use std::collections::{BTreeMap, BTreeSet};

/// Entries of one folder that use one another, directly or through others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Circle {
    /// The folder, with `/` behind it; the crate's own is empty.
    pub folder: String,
    /// Files and folders, by name.
    pub entries: Vec<String>,
}

/// An entry of a folder, which uses the second.
type Arrow = (String, String);

/// Returns the circles of `uses`, pairs of files of which the first uses the second.
///
/// Two files are told apart in the innermost folder that holds both: there each is an entry, itself
/// or the subfolder that it is in. A folder's module file (`mod.rs`, the file of the folder's name
/// beside it, the root of a crate) is no entry of it: it may use all that is in the folder, and all
/// that is in the folder may use it.
pub fn circles(uses: &BTreeSet<(String, String)>) -> Vec<Circle> {
    let mut circles = Vec::new();
    for (folder, arrows) in arrows(uses) {
        let pairs: BTreeSet<&Arrow> = arrows.keys().collect();
        let names: BTreeSet<&str> = pairs.iter().map(|(from, _)| from.as_str()).collect();
        let mut left = names.clone();
        while let Some(first) = left.pop_first() {
            let reached = reached(&pairs, first);
            let back = |name: &&str| self::reached(&pairs, name).contains(first);
            let circle: BTreeSet<&str> = reached.iter().copied().filter(back).collect();
            if circle.len() > 1 {
                left.retain(|name| !circle.contains(name));
                circles.push(Circle {
                    folder: folder.clone(),
                    entries: circle.into_iter().map(str::to_owned).collect(),
                });
            }
        }
    }
    circles
}

/// Returns lines that say which entries of a circle use which, with a pair of files for each.
pub fn reasons(circle: &Circle, uses: &BTreeSet<(String, String)>) -> Vec<String> {
    let within = |(from, to): &Arrow| circle.entries.contains(from) && circle.entries.contains(to);
    let mut arrows = arrows(uses);
    let arrows = arrows.remove(&circle.folder).unwrap_or_default();
    let lines = arrows.into_iter().filter(|(arrow, _)| within(arrow));
    let lines = lines.map(|((from, to), files)| {
        let (user, used) = &files[0];
        format!(
            "{from} uses {to}: {user} uses {used}, {} in all",
            files.len()
        )
    });
    lines.collect()
}

/// Returns the names that can be reached from `first`, arrow by arrow.
fn reached<'a>(arrows: &BTreeSet<&'a Arrow>, first: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next = vec![first];
    while let Some(name) = next.pop() {
        for (from, to) in arrows {
            if from == name && reached.insert(to.as_str()) {
                next.push(to);
            }
        }
    }
    reached
}

/// Returns the arrows between the entries of each folder, and the files that they are of.
fn arrows(
    uses: &BTreeSet<(String, String)>,
) -> BTreeMap<String, BTreeMap<Arrow, Vec<(String, String)>>> {
    let files = uses.iter().flat_map(|(from, to)| [from, to]);
    let folders: BTreeSet<&str> = files
        .flat_map(|file| file.match_indices('/').map(|(at, _)| &file[..at]))
        .collect();
    // The file beside a folder is in it.
    let place = |file: &String| match file.strip_suffix(".rs") {
        Some(name) if folders.contains(name) => format!("{name}/mod.rs"),
        _ => file.clone(),
    };
    let mut arrows: BTreeMap<String, BTreeMap<Arrow, Vec<_>>> = BTreeMap::new();
    for (user, used) in uses {
        let (from, to) = (place(user), place(used));
        let common = from.bytes().zip(to.bytes()).take_while(|(a, b)| a == b);
        let common = &from[..common.count()];
        let folder = &common[..common.rfind('/').map_or(0, |at| at + 1)];
        let entry = |file: &str| {
            let rest = &file[folder.len()..];
            let name = rest.split('/').next().unwrap_or(rest);
            let own = ["mod.rs", "lib.rs", "main.rs"].contains(&name);
            (!own).then(|| name.to_owned())
        };
        if let (Some(from), Some(to)) = (entry(&from), entry(&to)) {
            let folder = arrows.entry(folder.to_owned()).or_default();
            let files = folder.entry((from, to)).or_default();
            files.push((user.clone(), used.clone()));
        }
    }
    arrows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(uses: &[(&str, &str)]) -> Vec<String> {
        let own = |(from, to): &(&str, &str)| ((*from).to_owned(), (*to).to_owned());
        let uses = uses.iter().map(own).collect();
        let show = |circle: Circle| format!("{}: {}", circle.folder, circle.entries.join(" "));
        circles(&uses).into_iter().map(show).collect()
    }

    #[test]
    fn files_that_use_one_another_are_a_circle() {
        let uses = [("a.rs", "b.rs"), ("b.rs", "c.rs"), ("c.rs", "a.rs")];
        assert_eq!(found(&uses), [": a.rs b.rs c.rs"]);
        assert!(found(&uses[..2]).is_empty());
    }

    #[test]
    fn two_circles_in_a_folder_are_two() {
        let pairs = [("d/a.rs", "d/b.rs"), ("d/x.rs", "d/y.rs")];
        let both = pairs.into_iter().flat_map(|(a, b)| [(a, b), (b, a)]);
        let mut both: Vec<_> = both.collect();
        both.push(("d/a.rs", "d/x.rs"));
        assert_eq!(found(&both), ["d/: a.rs b.rs", "d/: x.rs y.rs"]);
    }

    #[test]
    fn folders_count_with_all_that_is_in_them() {
        let uses = [("a/b/c.rs", "d/e.rs"), ("d/f.rs", "a/g.rs")];
        assert_eq!(found(&uses), [": a d"]);
        let uses = [("a/x.rs", "a/b/y.rs"), ("a/b/c/z.rs", "a/x.rs")];
        assert_eq!(found(&uses), ["a/: b x.rs"]);
    }

    #[test]
    fn a_module_file_and_its_folder_may_use_one_another() {
        let uses = [
            ("a/mod.rs", "a/b.rs"),
            ("a/b.rs", "a/mod.rs"),
            ("c.rs", "c/d.rs"),
            ("c/d.rs", "c.rs"),
            ("lib.rs", "c.rs"),
            ("c/d.rs", "lib.rs"),
        ];
        assert!(found(&uses).is_empty());
        // But not others through it.
        let more = [("e.rs", "c.rs"), ("c/d.rs", "e.rs")];
        assert_eq!(found(&[&uses[..], &more].concat()), [": c e.rs"]);
    }
}
