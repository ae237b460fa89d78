//! Downloads over connections that fail in every way.

use std::{fs, net::TcpListener, time::Duration};

use propainter::weights::Network;
use propainter_cli::weights::DownloadError;

use super::{
    command::{Release, digest, run},
    saved::Saved,
    server::Act,
};

const NAME: &str = "raft-things.pth";
const PART: &str = "raft-things.pth.part";

fn file() -> Vec<u8> {
    Saved::small(Network::Raft).zip()
}

fn release(acts: &[Act]) -> Release {
    Release::of(&[(Network::Raft, NAME, file())], acts)
}

/// First bytes that were asked for, request by request.
fn starts(release: &Release) -> Vec<Option<usize>> {
    release
        .requests()
        .iter()
        .map(|request| request.from)
        .collect()
}

fn assert_whole(release: &Release) {
    assert_eq!(release.files(), [NAME]);
    assert!(fs::read(release.path(NAME)).expect("the file") == file());
}

#[test]
fn a_part_that_is_there_is_gone_on_from() {
    let release = release(&[]);
    fs::write(release.path(PART), &file()[..70_000]).expect("a part");
    let outcome = release.fetch(&[]);
    assert_eq!(outcome.status, 0, "{}", outcome.errors);
    assert_eq!(starts(&release), [Some(70_000)]);
    assert_whole(&release);
}

#[test]
fn a_whole_part_needs_no_request() {
    let release = release(&[]);
    fs::write(release.path(PART), file()).expect("a part");
    assert_eq!(release.fetch(&[]).status, 0);
    assert!(release.requests().is_empty());
    assert_whole(&release);
}

#[test]
fn a_server_that_ignores_the_range_sends_all_of_it() {
    let release = release(&[Act::IgnoreRange]);
    fs::write(release.path(PART), &file()[..70_000]).expect("a part");
    assert_eq!(release.fetch(&[]).status, 0);
    assert_eq!(starts(&release), [Some(70_000)]);
    assert_whole(&release);
}

#[test]
fn a_range_that_the_server_does_not_have_starts_anew() {
    for act in [Act::Status(416), Act::OtherRange] {
        let release = release(&[act]);
        fs::write(release.path(PART), &file()[..70_000]).expect("a part");
        let outcome = release.fetch(&[]);
        assert_eq!(outcome.status, 0, "{}", outcome.errors);
        assert_eq!(starts(&release), [Some(70_000), None]);
        assert_whole(&release);
    }
}

#[test]
fn a_part_longer_than_the_file_starts_anew() {
    let release = release(&[]);
    fs::write(release.path(PART), [file(), vec![0]].concat()).expect("a part");
    assert_eq!(release.fetch(&[]).status, 0);
    assert_eq!(starts(&release), [None]);
    assert_whole(&release);
}

#[test]
fn a_redirect_keeps_the_range() {
    let release = release(&[Act::Redirect]);
    fs::write(release.path(PART), &file()[..70_000]).expect("a part");
    assert_eq!(release.fetch(&[]).status, 0);
    assert_eq!(starts(&release), [Some(70_000), Some(70_000)]);
    assert_eq!(release.requests()[1].path, format!("moved/{NAME}"));
    assert_whole(&release);
}

#[test]
fn a_connection_cut_in_the_middle_is_taken_up_again() {
    let cuts = [100_000, 50_000, 1, 200_000, 3, 7].map(Act::CutAfter);
    let release = release(&cuts);
    let outcome = release.fetch(&[]);
    assert_eq!(outcome.status, 0, "{}", outcome.errors);
    let starts = starts(&release);
    assert_eq!(starts.len(), 7);
    assert_eq!(starts[..3], [None, Some(100_000), Some(150_000)]);
    assert_whole(&release);
}

#[test]
fn a_connection_that_stalls_is_taken_up_again() {
    let mut release = release(&[Act::StallAfter(100_000)]);
    release.environment.retry.timeout = Duration::from_secs(2);
    let outcome = release.fetch(&[]);
    assert_eq!(outcome.status, 0, "{}", outcome.errors);
    assert_eq!(starts(&release), [None, Some(100_000)]);
    assert_whole(&release);
}

#[test]
fn a_server_in_trouble_is_asked_again() {
    let release = release(&[Act::Status(503), Act::Status(429)]);
    assert_eq!(release.fetch(&[]).status, 0);
    assert_eq!(release.requests().len(), 3);
    assert_whole(&release);
}

#[test]
fn failing_without_progress_gives_up_and_keeps_the_part() {
    let release = release(&[Act::CutAfter(100_000), Act::CutAfter(0), Act::CutAfter(0)]);
    let outcome = release.fetch(&[]);
    assert_eq!((outcome.status, release.requests().len()), (1, 3));
    assert!(outcome.errors.contains("3 failures") && outcome.errors.contains("resumes there"));
    assert_eq!(release.files(), [PART]);
    assert_eq!(release.fetch(&[]).status, 0);
    assert_eq!(starts(&release)[3], Some(100_000));
    assert_whole(&release);
}

#[test]
fn an_endless_chain_of_restarts_gives_up() {
    // Never further than before, although each attempt brings bytes.
    let release = release(&[Act::CutAfter(90_000); 1]);
    assert_eq!(release.fetch(&[]).status, 0);
    let acts = [
        Act::CutAfter(90_000),
        Act::OtherRange,
        Act::CutAfter(90_000),
        Act::OtherRange,
    ];
    let release = self::release(&[acts, acts].concat());
    let outcome = release.fetch(&[]);
    assert_eq!(outcome.status, 1);
    assert!(release.requests().len() < 8, "{:?}", release.requests());
}

#[test]
fn a_missing_file_is_an_error_at_once() {
    let release = release(&[Act::Status(404)]);
    let outcome = release.fetch(&[]);
    assert_eq!((outcome.status, release.requests().len()), (1, 1));
    let url = format!("{}/{NAME}", release.server.url());
    assert!(
        outcome.errors.contains("404") && outcome.errors.contains(&url),
        "{}",
        outcome.errors
    );
    assert!(!release.path(NAME).exists());
}

#[test]
fn a_file_of_another_size_is_refused_before_it_is_fetched() {
    let mut release = release(&[]);
    release.environment.assets[0].bytes -= 1;
    let outcome = release.fetch(&[]);
    assert_eq!(outcome.status, 1);
    let (got, expected) = (file().len().to_string(), (file().len() - 1).to_string());
    assert!(
        outcome.errors.contains(&got) && outcome.errors.contains(&expected),
        "{}",
        outcome.errors
    );
    assert!(release.files().is_empty());
}

#[test]
fn a_body_of_untold_length_is_taken_to_the_files_size_and_no_further() {
    let good = release(&[Act::Endless(0)]);
    assert_eq!(good.fetch(&[]).status, 0);
    assert_whole(&good);
    let endless = release(&[Act::Endless(10 << 20)]);
    let outcome = endless.fetch(&[]);
    assert_eq!(outcome.status, 1);
    assert!(
        outcome.errors.contains("another file"),
        "{}",
        outcome.errors
    );
    let part = fs::metadata(endless.path(PART)).expect("the part").len();
    assert!(part <= file().len() as u64, "{part}");
}

#[test]
fn a_file_with_another_digest_is_deleted() {
    let mut release = release(&[]);
    release.environment.assets[0].sha256 = digest(b"another").leak();
    let outcome = release.fetch(&[]);
    assert_eq!(outcome.status, 1);
    assert!(outcome.errors.contains("SHA-256"), "{}", outcome.errors);
    assert!(release.files().is_empty());
}

#[test]
fn a_verified_file_that_is_no_checkpoint_is_deleted() {
    let release = Release::of(&[(Network::Raft, NAME, b"not a checkpoint".to_vec())], &[]);
    let outcome = release.fetch(&[]);
    assert_eq!(outcome.status, 1);
    assert!(
        outcome.errors.contains("neither PyTorch"),
        "{}",
        outcome.errors
    );
    assert!(release.files().is_empty());
}

#[test]
fn another_file_in_the_place_is_replaced_only_by_force() {
    let release = release(&[]);
    fs::write(release.path(NAME), b"mine").expect("written");
    let outcome = release.fetch(&[]);
    assert_eq!(outcome.status, 1);
    assert!(outcome.errors.contains("--force"), "{}", outcome.errors);
    assert!(release.requests().is_empty());
    assert_eq!(fs::read(release.path(NAME)).expect("mine"), b"mine");
    assert_eq!(release.fetch(&["--force"]).status, 0);
    assert_whole(&release);
}

#[test]
fn a_server_that_is_not_there_is_an_error() {
    let release = release(&[]);
    let port = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("its address");
    let url = format!("http://{port}");
    let arguments = [
        "fetch",
        "--accept-licence",
        "--to",
        release.folder(),
        "--base-url",
        &url,
    ];
    let outcome = run(&release.environment, &arguments, "");
    assert_eq!(outcome.status, 1);
    assert!(
        outcome.errors.contains("refused") && outcome.errors.contains(&url),
        "{}",
        outcome.errors
    );
    for url in ["no address", "http://", ""] {
        let arguments = [
            "fetch",
            "--accept-licence",
            "--to",
            release.folder(),
            "--base-url",
            url,
        ];
        let outcome = run(&release.environment, &arguments, "");
        assert_eq!(outcome.status, 1, "{url}");
        assert!(
            outcome.errors.contains("--base-url"),
            "{url}: {}",
            outcome.errors
        );
    }
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let release = release(&[]);
    fs::write(release.path("file"), b"").expect("written");
    let place = release.path("file/folder");
    let place = place.to_str().expect("UTF-8");
    let url = release.server.url();
    let arguments = [
        "fetch",
        "--accept-licence",
        "--to",
        place,
        "--base-url",
        &url,
    ];
    let outcome = run(&release.environment, &arguments, "");
    assert_eq!(outcome.status, 1);
    assert!(outcome.errors.contains(place), "{}", outcome.errors);
}

#[test]
fn a_full_disk_is_told_with_what_to_do() {
    let full = DownloadError::Write {
        file: PART.into(),
        source: std::io::ErrorKind::StorageFull.into(),
    };
    let text = full.to_string();
    assert!(
        text.contains(PART) && text.contains("free some space"),
        "{text}"
    );
}

#[test]
fn two_fetches_do_not_write_the_same_file() {
    let release = release(&[]);
    let part = fs::File::create(release.path(PART)).expect("a part");
    part.lock().expect("a lock");
    let outcome = release.fetch(&[]);
    assert_eq!(outcome.status, 1);
    assert!(
        outcome.errors.contains("another fetch"),
        "{}",
        outcome.errors
    );
    drop(part);
    assert_eq!(release.fetch(&[]).status, 0);
    assert_whole(&release);
}
