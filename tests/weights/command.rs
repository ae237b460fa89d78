//! `propainter weights`, run as a user would.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use propainter::weights::Network;
use propainter_cli::{
    Console,
    weights::{Asset, Environment, RetryPolicy},
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::{
    saved::Saved,
    server::{Act, Request, Server},
};

/// A release of these files, a server that has it, and a folder to fetch into.
pub struct Release {
    pub environment: Environment,
    pub server: Server,
    pub folder: TempDir,
}

/// What a run came to.
pub struct Outcome {
    pub status: u8,
    pub out: String,
    pub errors: String,
}

pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A file of a release that has these bytes.
fn asset(network: Network, name: &'static str, bytes: &[u8]) -> Asset {
    Asset {
        network,
        name,
        bytes: bytes.len() as u64,
        sha256: digest(bytes).leak(),
    }
}

impl Release {
    pub fn of(files: &[(Network, &'static str, Vec<u8>)], acts: &[Act]) -> Self {
        let assets = files
            .iter()
            .map(|(network, name, bytes)| asset(*network, name, bytes));
        let served = files
            .iter()
            .map(|(_, name, bytes)| ((*name).to_owned(), bytes.clone()));
        let folder = tempfile::tempdir().expect("a folder");
        Self {
            environment: Environment {
                assets: assets.collect(),
                folders: vec![folder.path().to_owned()],
                retry: RetryPolicy {
                    failures: 3,
                    pause: Duration::from_millis(1),
                    timeout: Duration::from_secs(20),
                },
            },
            server: Server::start(served, acts),
            folder,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn folder(&self) -> &str {
        self.folder.path().to_str().expect("UTF-8")
    }

    pub fn requests(&self) -> Vec<Request> {
        self.server.requests()
    }

    /// Fetches into the folder, the licence accepted.
    pub fn fetch(&self, more: &[&str]) -> Outcome {
        let url = self.server.url();
        let mut arguments = vec!["fetch", "--accept-licence", "--base-url", &url];
        arguments.extend(more);
        run(&self.environment, &arguments, "")
    }

    /// Names of what is in the folder.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("a folder");
        let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("UTF-8");
        let mut names: Vec<_> = entries
            .map(|entry| name(entry.expect("an entry")))
            .collect();
        names.sort();
        names
    }
}

pub fn run(environment: &Environment, arguments: &[&str], input: &str) -> Outcome {
    let arguments = ["propainter", "weights"]
        .iter()
        .chain(arguments)
        .map(OsString::from);
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let mut console = Console {
        input: &mut input.as_bytes(),
        out: &mut out,
        errors: &mut errors,
        is_terminal: false,
    };
    let status = propainter_cli::run(arguments, environment, &mut console);
    Outcome {
        status,
        out: String::from_utf8(out).expect("UTF-8"),
        errors: String::from_utf8(errors).expect("UTF-8"),
    }
}

fn whole_release() -> Release {
    let files = [
        (
            Network::Raft,
            "raft-things.pth",
            Saved::small(Network::Raft).stream(),
        ),
        (
            Network::FlowCompletion,
            "recurrent_flow_completion.pth",
            Saved::small(Network::FlowCompletion).zip(),
        ),
        (
            Network::Generator,
            "ProPainter.pth",
            Saved::small(Network::Generator).zip(),
        ),
    ];
    Release::of(&files, &[])
}

#[test]
fn fetch_list_and_convert_go_together() {
    let release = whole_release();
    let names = [
        "ProPainter.pth",
        "raft-things.pth",
        "recurrent_flow_completion.pth",
    ];

    let empty = run(&release.environment, &["list"], "");
    assert_eq!(empty.status, 1);
    assert!(
        empty.out.contains("propainter weights fetch"),
        "{}",
        empty.out
    );

    let fetched = release.fetch(&[]);
    assert_eq!(fetched.status, 0, "{}", fetched.errors);
    assert_eq!(release.files(), names);
    assert_eq!(
        fetched.out.matches("verified").count(),
        3,
        "{}",
        fetched.out
    );
    assert_eq!(release.requests().len(), 3);

    let again = run(&release.environment, &["fetch"], "");
    assert_eq!((again.status, release.requests().len()), (0, 3));
    assert!(!again.out.contains("licen"), "{}", again.out);

    let list = run(&release.environment, &["list"], "");
    assert_eq!(list.status, 0, "{}{}", list.out, list.errors);
    assert_eq!(
        list.out.matches("the official file").count(),
        3,
        "{}",
        list.out
    );
    assert!(list.out.contains("PyTorch stream fp32") && list.out.contains("PyTorch zip fp32"));

    let converted = run(&release.environment, &["convert"], "");
    assert_eq!(converted.status, 0, "{}", converted.errors);
    assert_eq!(release.files().len(), 6);

    for name in names {
        fs::remove_file(release.path(name)).expect("removed");
    }
    let list = run(&release.environment, &["list"], "");
    assert_eq!(list.status, 0, "{}{}", list.out, list.errors);
    assert_eq!(
        list.out.matches("safetensors fp16").count(),
        3,
        "{}",
        list.out
    );
}

#[test]
fn nothing_is_fetched_unless_the_licence_is_accepted() {
    let file = Saved::small(Network::Raft).zip();
    let release = Release::of(&[(Network::Raft, "raft-things.pth", file)], &[]);
    let url = release.server.url();
    let folder = release.path("new");
    let fetch = [
        "fetch",
        "--to",
        folder.to_str().expect("UTF-8"),
        "--base-url",
        &url,
    ];
    for answer in ["", "\n", "n\n", "no\n", "yess\n", "N\ny\n"] {
        let outcome = run(&release.environment, &fetch, answer);
        assert_eq!(outcome.status, 3, "{answer:?}");
        assert!(outcome.out.contains("non-commercial") && outcome.out.contains("[y/N]"));
        assert!(
            outcome.errors.contains("not accepted"),
            "{}",
            outcome.errors
        );
    }
    assert!(release.requests().is_empty() && !folder.exists());
    let outcome = run(&release.environment, &fetch, "Yes\n");
    assert_eq!(outcome.status, 0, "{}", outcome.errors);
    assert!(folder.join("raft-things.pth").is_file());
}

#[test]
fn list_says_what_is_wrong_with_a_checkpoint_that_counts() {
    let release = whole_release();
    assert_eq!(release.fetch(&[]).status, 0);
    fs::write(release.path("raft-things.pth"), b"<html>").expect("written");
    let list = run(&release.environment, &["list"], "");
    assert_eq!(list.status, 1);
    assert!(list.out.contains("web page"), "{}", list.out);
    // Another folder comes first.
    let other = whole_release();
    assert_eq!(other.fetch(&[]).status, 0);
    let list = run(
        &release.environment,
        &["list", "--from", other.folder()],
        "",
    );
    assert_eq!(list.status, 0, "{}", list.out);
    // One that does not count may be as it likes.
    assert_eq!(release.fetch(&["--force"]).status, 0);
    fs::write(release.path("raft-things.safetensors"), b"{").expect("written");
    let list = run(&release.environment, &["list"], "");
    assert_eq!(list.status, 0, "{}", list.out);
    assert!(list.out.contains("(not used)"), "{}", list.out);
}

#[test]
fn convert_needs_to_know_the_network_and_keeps_the_source() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mine.pth");
    fs::write(&file, Saved::small(Network::FlowCompletion).zip()).expect("written");
    let path = file.to_str().expect("UTF-8");
    let environment = Environment::default();
    let outcome = run(&environment, &["convert", path], "");
    assert_eq!(outcome.status, 1);
    assert!(outcome.errors.contains("--network"), "{}", outcome.errors);
    let to = folder.path().join("sub/folder");
    let named = [
        "convert",
        path,
        "--network",
        "flow_completion",
        "--fp32",
        "--to",
    ];
    let outcome = run(
        &environment,
        &[named.as_slice(), &[to.to_str().expect("UTF-8")]].concat(),
        "",
    );
    assert_eq!(outcome.status, 0, "{}", outcome.errors);
    assert!(
        outcome.out.contains("differ by at most 0.0"),
        "{}",
        outcome.out
    );
    let converted = to.join("recurrent_flow_completion.safetensors");
    assert!(converted.is_file());
    let outcome = run(
        &environment,
        &["convert", converted.to_str().expect("UTF-8")],
        "",
    );
    assert_eq!(outcome.status, 1);
    assert!(
        outcome.errors.contains("replace itself"),
        "{}",
        outcome.errors
    );
}

#[test]
fn convert_replaces_with_force_only_and_never_its_source() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("recurrent_flow_completion.pth");
    let whole = Saved::small(Network::FlowCompletion).zip();
    fs::write(&file, &whole).expect("written");
    let target = folder.path().join("recurrent_flow_completion.safetensors");
    let path = file.to_str().expect("UTF-8");
    let environment = Environment::default();
    // The same file by another name.
    for hard in [false, true] {
        let linked = match hard {
            true => fs::hard_link(&file, &target),
            false => std::os::unix::fs::symlink(&file, &target),
        };
        linked.expect("linked");
        let outcome = run(&environment, &["convert", path, "--force"], "");
        assert_eq!(outcome.status, 1);
        assert!(
            outcome.errors.contains("replace itself"),
            "{}",
            outcome.errors
        );
        assert_eq!(fs::read(&file).expect("there"), whole);
        fs::remove_file(&target).expect("removed");
    }
    fs::write(&target, "precious").expect("written");
    let outcome = run(&environment, &["convert", path], "");
    assert_eq!(outcome.status, 1);
    assert!(outcome.errors.contains("--force"), "{}", outcome.errors);
    assert_eq!(fs::read(&target).expect("there"), b"precious");
    let outcome = run(&environment, &["convert", path, "--force"], "");
    assert_eq!(outcome.status, 0, "{}", outcome.errors);
    assert!(outcome.out.contains("replaced"), "{}", outcome.out);
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2);
}

#[test]
fn wrong_usage_and_help_have_statuses_of_their_own() {
    let environment = Environment::default();
    let help = run(&environment, &["--help"], "");
    assert_eq!(help.status, 0);
    assert!(
        help.out.contains("fetch") && help.out.contains("Exit status"),
        "{}",
        help.out
    );
    for arguments in [
        [].as_slice(),
        &["steal"],
        &["fetch", "--too"],
        &["convert", "--network", "x"],
    ] {
        let outcome = run(&environment, arguments, "");
        assert_eq!(outcome.status, 2, "{arguments:?}");
        assert!(!outcome.errors.is_empty() && outcome.out.is_empty());
    }
}

#[test]
fn the_official_files_are_named_with_size_and_digest() {
    for (asset, network) in Environment::default().assets.iter().zip(Network::ALL) {
        assert_eq!(asset.network, network);
        assert_eq!(asset.name, network.file_names()[0]);
        assert_eq!(asset.sha256.len(), 64);
        let layout = propainter::weights::Layout::of(network);
        // Four bytes a parameter, statistics and a little else.
        let bytes = asset.bytes.abs_diff(4 * layout.parameters() as u64);
        assert!(bytes < 100_000, "{}", asset.name);
        assert!(
            Path::new(asset.name)
                .extension()
                .is_some_and(|e| e == "pth")
        );
    }
}
