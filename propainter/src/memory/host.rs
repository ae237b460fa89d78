//! Reads the host's memory from Linux, and the limits that a container sets.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Returns the resident memory of this process, in bytes.
pub fn resident() -> Option<u64> {
    kibibytes(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Returns the bytes that this process may still allocate, and the total: the machine's or, if
/// lower, the control group's.
pub fn free_and_total() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let machine = (
        kibibytes(&text, "MemAvailable:")?,
        kibibytes(&text, "MemTotal:")?,
    );
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let groups = folders(&groups, Path::new("/sys/fs/cgroup"));
    Some(groups.iter().filter_map(group).fold(machine, least))
}

fn least(a: (u64, u64), b: (u64, u64)) -> (u64, u64) {
    (a.0.min(b.0), a.1.min(b.1))
}

/// Returns the value of a line such as `VmRSS:     1234 kB`, in bytes.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    number.checked_mul(1024)
}

/// A control group's folder, and the names of its files in its version.
#[derive(Debug, PartialEq)]
struct Group {
    folder: PathBuf,
    limit: &'static str,
    usage: &'static str,
    /// Key in `memory.stat` of the file pages that the kernel frees when memory is short.
    cache: &'static str,
}

/// Returns this process's control group and all its ancestors, whose limits apply too. A container
/// may show a path that is not mounted; the root is always included.
fn folders(groups: &str, root: &Path) -> Vec<Group> {
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let (root, limit, usage, cache) = if controllers.is_empty() {
            (
                root.to_owned(),
                "memory.max",
                "memory.current",
                "inactive_file",
            )
        } else if controllers.split(',').any(|name| name == "memory") {
            (
                root.join("memory"),
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
                "total_inactive_file",
            )
        } else {
            continue;
        };
        let path = Path::new(path.trim_start_matches('/'));
        found.extend(path.ancestors().map(|path| Group {
            folder: root.join(path),
            limit,
            usage,
            cache,
        }));
    }
    found
}

/// Returns the free and total bytes of a group; `None` where it has no limit.
fn group(group: &Group) -> Option<(u64, u64)> {
    let read = |name| fs::read_to_string(group.folder.join(name)).ok();
    let stat = read("memory.stat").unwrap_or_default();
    share(
        &read(group.limit)?,
        &read(group.usage)?,
        word(&stat, group.cache),
    )
}

fn share(limit: &str, usage: &str, cache: u64) -> Option<(u64, u64)> {
    let limit: u64 = limit.trim().parse().ok()?; // "max" is none
    let usage: u64 = usage.trim().parse().ok()?;
    let used = usage.saturating_sub(cache);
    Some((limit.saturating_sub(used), limit))
}

/// Returns the value of a line `name value`; 0 where there is none.
fn word(text: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let found = lines.find(|(key, _)| *key == name);
    found
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_kibibytes_are_read() {
        let text = "Name:\tgst-launch-1.0\nVmHWM:\t  204800 kB\nVmRSS:\t  102400 kB\n";
        assert_eq!(kibibytes(text, "VmRSS:"), Some(100 << 20));
        assert_eq!(kibibytes(text, "VmSwap:"), None);
        assert_eq!(kibibytes("VmRSS: many kB", "VmRSS:"), None);
        assert_eq!(kibibytes("VmRSS:", "VmRSS:"), None);
        assert_eq!(kibibytes("VmRSS: 18446744073709551615 kB", "VmRSS:"), None);
    }

    #[test]
    fn a_group_is_looked_for_in_its_own_folder_and_all_above() {
        let root = Path::new("/cg");
        let paths = |text| -> Vec<String> {
            let groups = folders(text, root);
            groups
                .iter()
                .map(|g| g.folder.join(g.limit).display().to_string())
                .collect()
        };
        assert_eq!(
            paths("0::/user.slice/app.scope\n"),
            [
                "/cg/user.slice/app.scope/memory.max",
                "/cg/user.slice/memory.max",
                "/cg/memory.max"
            ]
        );
        assert_eq!(
            paths("5:cpu,cpuacct:/a\n4:memory:/docker\nnonsense\n"),
            [
                "/cg/memory/docker/memory.limit_in_bytes",
                "/cg/memory/memory.limit_in_bytes"
            ]
        );
        assert_eq!(paths("0::/"), ["/cg/memory.max"]);
        assert_eq!(paths(""), [""; 0]);
    }

    #[test]
    fn what_a_group_leaves_is_its_limit_less_what_cannot_go() {
        let stat = "anon 500\nfile 300\ninactive_file 200\n";
        assert_eq!(word(stat, "inactive_file"), 200);
        assert_eq!(word(stat, "active_file"), 0);
        assert_eq!(share("1000\n", "800\n", 200), Some((400, 1000)));
        assert_eq!(share("1000\n", "1200\n", 0), Some((0, 1000)));
        assert_eq!(share("max\n", "800\n", 0), None);
        assert_eq!(share("1000\n", "", 0), None);
    }

    #[test]
    fn the_least_of_machine_and_groups_counts() {
        assert_eq!(least((10, 40), (30, 35)), (10, 35));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_within_this_machine() {
        let (free, total) = free_and_total().expect("Linux tells");
        let resident = resident().expect("Linux tells");
        assert!(free <= total && resident > 0 && resident < total);
    }
}
