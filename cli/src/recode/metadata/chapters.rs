//! Chapters: GStreamer's table of contents, and the box `chpl` of MP4 and QuickTime files, which
//! GStreamer neither reads nor writes.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use gst::prelude::*;

use super::mp4_boxes::{boxes, movie_header};

/// Units of `chpl` in a second, and nanoseconds in a unit.
const UNITS: u64 = 10_000_000;
const UNIT: u64 = 100;

/// Most chapters of a `chpl`, and most bytes of a title: both are counted in one byte.
const MOST: usize = 255;

/// The begin of a chapter in units of `chpl`, and its title.
type Chapter = (u64, String);

/// Returns the chapters of an MP4 or QuickTime file; `None` where it has none, and for other files.
pub fn read(file: &Path) -> Option<gst::Toc> {
    let (_, moov) = movie_header(&mut File::open(file).ok()?).ok()?;
    let (_, udta) =
        boxes(&moov, *b"udta").find(|(_, udta)| boxes(udta, *b"chpl").next().is_some())?;
    let (_, content) = boxes(udta, *b"chpl").next()?;
    let chapters = parse(content);
    (!chapters.is_empty()).then(|| to_toc(&chapters, movie_length(&moov)))
}

/// Parses the content of `chpl`, up to where it is truncated.
fn parse(content: &[u8]) -> Vec<Chapter> {
    // Version 1 has four more bytes before the count.
    let count_at = match content.first() {
        Some(0) => 4,
        _ => 8,
    };
    let count = content.get(count_at).copied().unwrap_or_default();
    let mut rest = content.get(count_at + 1..).unwrap_or_default();
    let mut chapters = Vec::new();
    for _ in 0..count {
        let Some((begin, after)) = rest.split_first_chunk::<8>() else {
            break;
        };
        let Some((&length, after)) = after.split_first() else {
            break;
        };
        let Some((title, after)) = after.split_at_checked(usize::from(length)) else {
            break;
        };
        let title = String::from_utf8_lossy(title).into_owned();
        chapters.push((u64::from_be_bytes(*begin), title));
        rest = after;
    }
    chapters
}

/// Returns the length of a movie in units; 0 where the header does not tell it.
fn movie_length(moov: &[u8]) -> u64 {
    let header = boxes(moov, *b"mvhd").next().map(|(_, header)| header);
    // Version 1 has times of 8 bytes.
    let wide = header.and_then(|header| header.first()) == Some(&1);
    let number = |at: usize, bytes: usize| {
        let number = header?.get(at..at + bytes)?;
        Some(
            number
                .iter()
                .fold(0, |sum, &byte| sum << 8 | u64::from(byte)),
        )
    };
    let (scale, length) = match wide {
        true => (number(20, 4), number(24, 8)),
        false => (number(12, 4), number(16, 4)),
    };
    let length = scale
        .zip(length)
        .and_then(|(scale, length)| length.mul_div_floor(UNITS, scale));
    length.unwrap_or_default()
}

/// Returns chapters of a movie of some `length` as a table of contents.
fn to_toc(chapters: &[Chapter], length: u64) -> gst::Toc {
    let nanoseconds = |units: u64| i64::try_from(units.saturating_mul(UNIT)).unwrap_or(i64::MAX);
    let mut edition = gst::TocEntry::new(gst::TocEntryType::Edition, "1");
    let ends = chapters.iter().skip(1).map(|(begin, _)| *begin);
    for (number, ((begin, title), end)) in chapters.iter().zip(ends.chain([length])).enumerate() {
        let uid = (number + 1).to_string();
        let mut chapter = gst::TocEntry::new(gst::TocEntryType::Chapter, &uid);
        let mut tags = gst::TagList::new();
        if let Some(tags) = tags.get_mut().filter(|_| !title.is_empty()) {
            tags.add::<gst::tags::Title>(&title.as_str(), gst::TagMergeMode::Append);
        }
        let entry = chapter.make_mut();
        entry.set_start_stop_times(nanoseconds(*begin), nanoseconds(end.max(*begin)));
        entry.set_tags(tags);
        edition.make_mut().append_sub_entry(chapter);
    }
    let mut toc = gst::Toc::new(gst::TocScope::Global);
    toc.make_mut().append_entry(edition);
    toc
}

/// Returns the chapters of a table of contents, without those inside of chapters.
fn of_toc(toc: &gst::Toc) -> Vec<Chapter> {
    let entries = toc.entries();
    let chapters = entries.iter().flat_map(|entry| match entry.entry_type() {
        gst::TocEntryType::Chapter => vec![entry.clone()],
        _ => entry.sub_entries(),
    });
    let chapter = |entry: gst::TocEntry| {
        let (begin, _) = entry.start_stop_times()?;
        let tags = entry.tags();
        let title = tags
            .as_ref()
            .and_then(|tags| tags.get::<gst::tags::Title>());
        let title = title.map_or_else(String::new, |title| title.get().to_owned());
        Some((u64::try_from(begin).ok()? / UNIT, title))
    };
    chapters.filter_map(chapter).collect()
}

/// Most bytes that may follow the index of a file.
const MAX_REST: u64 = 64 << 20;

/// Writes chapters into a complete MP4 or QuickTime file, whose index comes after its frames.
///
/// # Errors
/// The file cannot be read or written, or its frames come after its index.
pub fn write(toc: &gst::Toc, file: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(file)?;
    let (start, mut moov) = movie_header(&mut file)?;
    file.seek(SeekFrom::Start(start + moov.len() as u64))?;
    let mut rest = Vec::new();
    Read::take(&mut file, MAX_REST + 1).read_to_end(&mut rest)?;
    if rest.len() as u64 > MAX_REST || boxes(&rest, *b"mdat").next().is_some() {
        // Their places are in the index, which is about to grow.
        return Err(io::Error::other("the index comes before the frames"));
    }
    let chpl = to_box(*b"chpl", &to_chpl(&of_toc(toc)));
    let found = boxes(&moov, *b"udta").next();
    match found.map(|(at, udta)| (at, udta.len())) {
        Some((at, length)) => {
            let size = u32::try_from(length + 8 + chpl.len()).map_err(io::Error::other)?;
            moov[at - 8..at - 4].copy_from_slice(&size.to_be_bytes());
            moov.splice(at..at, chpl);
        }
        None => moov.extend(to_box(*b"udta", &chpl)),
    }
    file.seek(SeekFrom::Start(start - 8))?;
    file.write_all(&to_box(*b"moov", &moov))?;
    file.write_all(&rest)
}

/// Returns the content of `chpl`. Chapters and bytes of titles beyond what it can count are left
/// out.
fn to_chpl(chapters: &[Chapter]) -> Vec<u8> {
    let chapters = &chapters[..chapters.len().min(MOST)];
    let mut content = vec![1, 0, 0, 0, 0, 0, 0, 0, chapters.len() as u8];
    for (begin, title) in chapters {
        let title = &title[..title.floor_char_boundary(MOST)];
        content.extend(begin.to_be_bytes());
        content.push(title.len() as u8);
        content.extend(title.as_bytes());
    }
    content
}

/// Returns a box. Those written here are far below the 4 GiB that its size can tell.
fn to_box(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).unwrap_or(u32::MAX);
    [&size.to_be_bytes()[..], &kind, content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chapters_come_back_from_box_and_table() {
        gst::init().unwrap();
        let chapters = vec![(0, "One".to_owned()), (5 * UNITS, "Zwei ü".to_owned())];
        assert_eq!(parse(&to_chpl(&chapters)), chapters);
        let toc = to_toc(&chapters, 9 * UNITS);
        assert_eq!(of_toc(&toc), chapters);
        let last = toc.entries()[0].sub_entries().pop().unwrap();
        assert_eq!(
            last.start_stop_times(),
            Some((5_000_000_000, 9_000_000_000))
        );
    }

    #[test]
    fn truncated_and_long_chapters_are_cut() {
        let content = to_chpl(&[(1, "One".to_owned()), (2, "Two".to_owned())]);
        for length in 0..content.len() {
            assert!(parse(&content[..length]).len() < 2);
        }
        let long = "ü".repeat(200);
        let many = vec![(7, long); 300];
        let cut = parse(&to_chpl(&many));
        assert_eq!((cut.len(), cut[0].1.len()), (255, 254));
    }

    #[test]
    fn a_box_joins_the_other_user_data_of_a_movie() {
        gst::init().unwrap();
        let toc = to_toc(&[(3, "One".to_owned())], 4);
        for with_udta in [false, true] {
            let other = to_box(*b"meta", b"data");
            let udta = to_box(*b"udta", &other);
            let moov = to_box(*b"moov", if with_udta { &udta } else { b"" });
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("movie");
            let (frames, rest) = (to_box(*b"mdat", b"frames"), to_box(*b"uuid", b"rest"));
            std::fs::write(&file, [&frames[..], &moov, &rest].concat()).unwrap();
            write(&toc, &file).unwrap();
            let read = read(&file).unwrap();
            assert_eq!(of_toc(&read), [(3, "One".to_owned())]);
            assert!(std::fs::read(&file).unwrap().ends_with(&rest));
            let (_, moov) = movie_header(&mut File::open(&file).unwrap()).unwrap();
            let (_, udta) = boxes(&moov, *b"udta").next().unwrap();
            assert_eq!(boxes(udta, *b"meta").count(), usize::from(with_udta));
        }
    }
}
