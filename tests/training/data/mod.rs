//! Data sets, samples and the loader.

pub mod clips;

use std::{
    fs,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use propainter::{Frame, internals::synthetic::Scene};
use propainter_training::{
    data::{
        Cache, Clips, DataError, Flow, Flows, Holes, Loader, Sample, Sampler, SamplerSettings,
        Scan, Size, cache::CachedVideo, images::resized,
    },
    random::Random,
};

use self::clips::{Rectangle, run_pipeline, scan, write_images, write_video};

const SIZE: Size = Size {
    width: 64,
    height: 48,
};

fn settings(seed: u64, batch: usize) -> SamplerSettings {
    SamplerSettings {
        seed,
        size: SIZE,
        local: 4,
        references: 2,
        batch,
        flows: None,
    }
}

fn find(data: &Path, scan: &Scan<'_>) -> Result<Clips, DataError> {
    Clips::find(data, scan, &mut |_, _| ())
}

/// Returns clips of `count` folders of images, of 8 or more frames.
fn folders(folder: &Path, count: u64) -> Clips {
    for seed in 0..count {
        write_images(
            &folder.join(format!("clip{seed}")),
            SIZE,
            seed,
            8 + seed as usize,
        );
    }
    find(folder, &scan(&folder.join("cache"), SIZE, 6)).unwrap()
}

#[test]
fn videos_end_at_scene_cuts_and_are_decoded_once() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (Scene::new(96, 64, 3), Scene::new(96, 64, 8));
    let frames: Vec<Frame> = (0..70)
        .map(|t| if t < 45 { a.truth(t) } else { b.truth(t) })
        .collect();
    let file = folder.path().join("film.mkv");
    write_video(&file, &frames);
    let cache = folder.path().join("cache");
    let scan = scan(&cache, SIZE, 6);
    let clips = find(folder.path(), &scan).unwrap();
    assert_eq!(clips.skipped, Vec::<String>::new());
    let lengths: Vec<usize> = clips.clips.iter().map(|clip| clip.len()).collect();
    assert_eq!(lengths, [45, 25]);
    assert_eq!(clips.clips[1].frame_name(2), "00047");
    let read = clips.clips[1].frames(&[2, 0], SIZE).unwrap();
    for (frame, number) in read.iter().zip([47, 45]) {
        // The conversion to YUV and back costs three levels; a frame earlier or later costs twice as much.
        let from = |number: usize| difference(frame, &resized(&frames[number], SIZE));
        assert!(
            from(number) < 4.0 && from(number + 1) > from(number) + 1.0,
            "{}",
            from(number)
        );
    }

    // The cache serves a second search, and the file itself when the cache is full; both are the same.
    let video = CachedVideo::open(&scan.cache, &file, SIZE).unwrap();
    let numbers = [66, 3, 67, 68, 0, 41];
    let cached = video.frames(&numbers).unwrap();
    let entries: Vec<_> = fs::read_dir(&cache)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(entries.len(), 2, "{entries:?}");
    let small = Arc::new(Cache::open(&folder.path().join("small"), 1000).unwrap());
    let decoded = CachedVideo::open(&small, &file, SIZE).unwrap();
    assert!(video.is_cached() && !decoded.is_cached());
    assert_eq!(decoded.frames(&numbers).unwrap(), cached);

    // An entry belongs to the file as it is.
    write_video(&file, &frames[..20]);
    assert_eq!(
        CachedVideo::open(&scan.cache, &file, SIZE).unwrap().len(),
        20
    );
}

#[test]
fn the_cache_makes_room_by_what_nobody_uses() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<_> = (0..3)
        .map(|seed| {
            let file = folder.path().join(format!("{seed}.mkv"));
            let scene = Scene::new(64, 48, seed);
            write_video(&file, &(0..10).map(|t| scene.truth(t)).collect::<Vec<_>>());
            file
        })
        .collect();
    let bytes = 10 * 3 * SIZE.pixels() as u64;
    let cache = folder.path().join("cache");
    let open = |limit| Arc::new(Cache::open(&cache, limit).unwrap());
    let all = |cache: &Arc<Cache>, files: &[std::path::PathBuf]| {
        let open = |file: &std::path::PathBuf| CachedVideo::open(cache, file, SIZE).unwrap();
        files
            .iter()
            .map(open)
            .map(|video| video.is_cached())
            .collect::<Vec<_>>()
    };
    // One process fills the cache with two videos; the third finds no room.
    assert_eq!(all(&open(2 * bytes + 1), &files), [true, true, false]);
    // Another process that needs the third alone gets room.
    assert_eq!(
        all(&open(2 * bytes + 1), &files[2..]),
        [false],
        "its index is known"
    );
    for index in fs::read_dir(&cache).unwrap() {
        let path = index.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(all(&open(2 * bytes + 1), &files[2..]), [true]);
    let frames = fs::read_dir(&cache).unwrap().filter(|entry| {
        let path = entry.as_ref().unwrap().path();
        path.extension().is_some_and(|extension| extension == "rgb")
    });
    assert_eq!(frames.count(), 2);
}

#[test]
fn what_cannot_be_used_is_named_and_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    write_images(&data.join("good"), Size::new(40, 30), 1, 9);
    write_images(&data.join("short"), SIZE, 1, 6);
    fs::create_dir_all(data.join("empty")).unwrap();
    fs::write(data.join("notes.txt"), "no video").unwrap();
    fs::write(data.join("torn.mp4"), vec![7; 5000]).unwrap();
    run_pipeline(&format!(
        "audiotestsrc num-buffers=20 ! vorbisenc ! oggmux ! filesink location=\"{}\"",
        data.join("sound.ogv").display()
    ));
    let scene = Scene::new(32, 80, 2);
    write_video(
        &data.join("tall.mkv"),
        &(0..9).map(|t| scene.truth(t)).collect::<Vec<_>>(),
    );
    let scan = scan(&folder.path().join("cache"), SIZE, 6);
    let clips = find(&data, &scan).unwrap();
    let names: Vec<&str> = clips.clips.iter().map(|clip| clip.name.as_str()).collect();
    assert_eq!(names, ["good", "tall.mkv"], "{:?}", clips.skipped);
    let says = |name: &str, what: &str| {
        let lines: Vec<_> = clips
            .skipped
            .iter()
            .filter(|line| line.contains(name))
            .collect();
        assert!(
            lines.len() == 1 && lines[0].contains(what),
            "{name}: {lines:?}"
        );
    };
    says("short", "6 images, but a clip needs more than 6");
    says("torn.mp4", "");
    says("sound.ogv", "no video");
    assert_eq!(clips.skipped.len(), 3, "{:?}", clips.skipped);
    for clip in &clips.clips {
        let frame = &clip.frames(&[3], SIZE).unwrap()[0];
        assert_eq!((frame.width(), frame.height()), (SIZE.width, SIZE.height));
    }

    fs::remove_dir_all(data.join("good")).unwrap();
    fs::remove_file(data.join("tall.mkv")).unwrap();
    let error = find(&data, &scan).unwrap_err().to_string();
    assert!(
        error.contains("no clip of more than 6 frames") && error.contains("torn.mp4"),
        "{error}"
    );
    let error = find(&folder.path().join("none"), &scan)
        .unwrap_err()
        .to_string();
    assert!(error.contains("none cannot be read"), "{error}");
}

#[test]
fn a_search_that_is_stopped_says_so() {
    let folder = tempfile::tempdir().unwrap();
    write_images(&folder.path().join("clip"), SIZE, 1, 9);
    let stop = AtomicBool::new(true);
    let scan = Scan {
        stop: &stop,
        ..scan(&folder.path().join("cache"), SIZE, 6)
    };
    assert!(matches!(
        find(folder.path(), &scan),
        Err(DataError::Stopped)
    ));
}

#[test]
fn lists_name_videos_beside_them_or_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let scan = scan(&folder.path().join("cache"), SIZE, 6);
    write_images(&folder.path().join("JPEGImages/a"), SIZE, 1, 9);
    write_images(&folder.path().join("JPEGImages/b"), SIZE, 2, 8);
    let list = folder.path().join("train.json");
    fs::write(&list, r#"{"a": 8, "b": 9}"#).unwrap();
    let clips = find(&list, &scan).unwrap();
    assert_eq!(
        (clips.clips.len(), clips.clips[0].len()),
        (1, 8),
        "the list's number counts"
    );
    assert!(
        clips.skipped[0].contains("states 9 frames, but 8 images"),
        "{:?}",
        clips.skipped
    );
    let list = folder.path().join("JPEGImages/train.txt");
    fs::write(&list, "b 8\n").unwrap();
    assert_eq!(find(&list, &scan).unwrap().clips[0].name, "b");
    fs::write(&list, "c 8\n").unwrap();
    let error = find(&list, &scan).unwrap_err().to_string();
    assert!(error.contains("its video c is neither"), "{error}");
}

#[test]
fn one_seed_makes_the_samples_whatever_the_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let clips = folders(folder.path(), 5).clips;
    let samples = |seed, threads, first: u64, batches: usize| {
        let sampler = Sampler::new(settings(seed, 2), clips.clone(), Arc::new(Rectangle));
        let mut loader = Loader::start(Arc::new(sampler), first, threads);
        let batches = (0..batches).map(|_| loader.next_batch().unwrap().samples);
        batches.flatten().collect::<Vec<Sample>>()
    };
    let one = samples(7, 1, 0, 10);
    assert_eq!(one, samples(7, 4, 0, 10));
    assert_eq!(one[6..], samples(7, 3, 6, 7), "a run goes on where it was");
    assert_ne!(one, samples(8, 1, 0, 10));
    // Each epoch has two batches of different clips; the fifth clip is another one each time.
    let epochs: Vec<Vec<&str>> = one
        .chunks(4)
        .map(|epoch| epoch.iter().map(|sample| sample.clip.as_str()).collect())
        .collect();
    for epoch in &epochs {
        let mut names = epoch.clone();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 4, "{epochs:?}");
    }
    assert!(
        epochs.windows(2).any(|pair| pair[0] != pair[1]),
        "{epochs:?}"
    );
}

#[test]
fn fewer_clips_than_a_batch_occur_again() {
    let folder = tempfile::tempdir().unwrap();
    let sampler = Sampler::new(
        settings(1, 5),
        folders(folder.path(), 2).clips,
        Arc::new(Rectangle),
    );
    assert_eq!(sampler.steps_per_epoch(), 1);
    let names = |epoch: u64| {
        let mut names: Vec<String> = (0..5)
            .map(|k| sampler.sample(5 * epoch + k).unwrap().clip)
            .collect();
        names.sort_unstable();
        names.iter().filter(|name| *name == "clip0").count()
    };
    assert!((0..4).all(|epoch| [2, 3].contains(&names(epoch))));
}

/// Returns which frame of a scene, mirrored or not, a frame is.
fn number_of(frame: &Frame, scene: &[Frame], mirrored: bool) -> Option<usize> {
    let (width, height) = (frame.width(), frame.height());
    let mut rgb = frame.rgb().to_vec();
    if mirrored {
        for (i, pixel) in rgb.chunks_exact_mut(3).enumerate() {
            let from = 3 * (i / width * width + width - 1 - i % width);
            pixel.copy_from_slice(&frame.rgb()[from..from + 3]);
        }
    }
    let wanted = Frame::new(width, height, rgb);
    scene.iter().position(|frame| *frame == wanted)
}

#[test]
fn samples_are_reversed_and_mirrored_half_of_the_time_and_holes_are_not_mirrored() {
    let folder = tempfile::tempdir().unwrap();
    let data = write_images(&folder.path().join("data/one"), SIZE, 4, 12);
    let scene = Scene::new(SIZE.width, SIZE.height, 4);
    let scene: Vec<Frame> = (0..12).map(|t| scene.truth(t)).collect();
    let names: Vec<String> = (0..12).map(|n| format!("{n:05}")).collect();
    // The flow from frame t to t + 1 is (t, 0), back (−t, 1).
    let flow = |x: f32, y: f32| Flow::new(SIZE, vec![[x, y]; SIZE.pixels()]);
    let flows = Flows {
        forward: (0..11).map(|t| flow(t as f32, 0.0)).collect(),
        backward: (0..11).map(|t| flow(-(t as f32), 1.0)).collect(),
    };
    let flow_folder = folder.path().join("flows");
    flows.write(&flow_folder.join("one"), &names).unwrap();

    /// The hole of frame i is row i.
    #[derive(Debug)]
    struct Row;
    impl Holes for Row {
        fn draw(&self, _: &mut Random, size: Size, frames: usize) -> Vec<Vec<u8>> {
            let hole = |frame| {
                (0..size.pixels())
                    .map(move |i| u8::from(i / size.width == frame && i % size.width < 9))
            };
            (0..frames).map(|frame| hole(frame).collect()).collect()
        }
    }
    let clips = find(
        data.parent().unwrap(),
        &scan(&folder.path().join("cache"), SIZE, 6),
    )
    .unwrap();
    let settings = SamplerSettings {
        flows: Some(flow_folder),
        ..settings(3, 1)
    };
    let sampler = Sampler::new(settings, clips.clips, Arc::new(Row));
    let (mut reversed, mut mirrored) = (0, 0);
    for k in 0..120 {
        let sample = sampler.sample(k).unwrap();
        let is_mirrored = number_of(&sample.frames[0], &scene, true).is_some();
        let numbers: Vec<usize> = sample
            .frames
            .iter()
            .map(|frame| number_of(frame, &scene, is_mirrored).expect("a frame of the clip"))
            .collect();
        let is_reversed = numbers[1] < numbers[0];
        mirrored += usize::from(is_mirrored);
        reversed += usize::from(is_reversed);
        assert!(
            numbers[4] < numbers[5],
            "references are sorted and never reversed"
        );
        for (hole, number) in sample.holes.iter().zip(&numbers) {
            let first = hole.hole().iter().position(|&hole| hole == 1);
            assert_eq!(
                first,
                Some(number * SIZE.width),
                "the hole goes with its frame, not mirrored"
            );
        }
        let flows = sample.flows.unwrap();
        for t in 0..3 {
            let [forward, backward] =
                [&flows.forward[t], &flows.backward[t]].map(|flow| flow.vectors()[0]);
            let sign = if is_mirrored { -1.0 } else { 1.0 };
            let pair = numbers[t].min(numbers[t + 1]) as f32;
            let (along, against) = ([sign * pair, 0.0], [-sign * pair, 1.0]);
            let expected = if is_reversed {
                (against, along)
            } else {
                (along, against)
            };
            assert_eq!((forward, backward), expected);
        }
    }
    assert!(
        (40..80).contains(&reversed) && (40..80).contains(&mirrored),
        "{reversed} {mirrored}"
    );
    let validation = sampler.validation(0).unwrap();
    assert_eq!(validation, sampler.validation(0).unwrap());
    assert!(number_of(&validation.frames[0], &scene, false).is_some());
}

#[test]
fn holes_that_have_no_losses_are_drawn_again_and_given_up_in_the_end() {
    #[derive(Debug)]
    struct Often(f64);
    impl Holes for Often {
        fn draw(&self, random: &mut Random, size: Size, frames: usize) -> Vec<Vec<u8>> {
            use rand::RngExt;
            if random.random::<f64>() < self.0 {
                return vec![vec![u8::from(random.random::<bool>()); size.pixels()]; frames];
            }
            Rectangle.draw(random, size, frames)
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let clips = folders(folder.path(), 1).clips;
    let sampler = |share| Sampler::new(settings(1, 1), clips.clone(), Arc::new(Often(share)));
    for k in 0..50 {
        let sample = sampler(0.8).sample(k).unwrap();
        assert!(
            sample
                .holes
                .iter()
                .all(|hole| hole.hole().contains(&0) && hole.hole().contains(&1))
        );
    }
    assert!(matches!(sampler(1.0).sample(0), Err(DataError::Holes)));
}

#[test]
fn a_clip_that_breaks_is_named_once_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let clips = folders(folder.path(), 3).clips;
    for image in fs::read_dir(folder.path().join("clip1")).unwrap() {
        fs::write(image.unwrap().path(), "no image").unwrap();
    }
    let sampler = Sampler::new(settings(1, 1), clips, Arc::new(Rectangle));
    let samples: Vec<Sample> = (0..9).map(|k| sampler.sample(k).unwrap()).collect();
    assert!(samples.iter().all(|sample| sample.clip != "clip1"));
    let problems = sampler.new_problems();
    assert!(
        !problems.is_empty() && problems.iter().all(|text| text.contains("clip1")),
        "{problems:?}"
    );
    let mut once = problems.clone();
    once.dedup();
    assert_eq!(once, problems);
    assert!(sampler.new_problems().is_empty());
    fs::remove_dir_all(folder.path().join("clip0")).unwrap();
    fs::remove_dir_all(folder.path().join("clip2")).unwrap();
    assert!(sampler.sample(0).is_err());
}

#[test]
fn clips_kept_apart_are_chosen_by_the_seed() {
    let folder = tempfile::tempdir().unwrap();
    let clips = folders(folder.path(), 10);
    let names = |clips: &Clips| {
        clips
            .clips
            .iter()
            .map(|clip| clip.name.clone())
            .collect::<Vec<_>>()
    };
    let split = |percent, seed| {
        let (trained, apart) = clips.clone().split(percent, seed);
        assert!(
            names(&apart)
                .iter()
                .all(|name| !names(&trained).contains(name))
        );
        assert_eq!(trained.clips.len() + apart.clips.len(), 10);
        names(&apart)
    };
    assert_eq!(split(20.0, 1), split(20.0, 1));
    assert!((2..9).any(|seed| split(20.0, 1) != split(20.0, seed)));
    assert_eq!(
        [0.0, 1.0, 20.0, 100.0].map(|percent| split(percent, 1).len()),
        [0, 1, 2, 9]
    );
}

/// Returns the mean difference of two frames.
fn difference(a: &Frame, b: &Frame) -> f64 {
    let sum: u64 = a
        .rgb()
        .iter()
        .zip(b.rgb())
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    sum as f64 / a.rgb().len() as f64
}
