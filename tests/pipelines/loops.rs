//! Live streams over the network, on this machine: 25 frames a second through `live.sh` to clients
//! that know nothing of it.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use gst::prelude::*;

use super::{
    scripts::{FAST, script},
    tools::{ffmpeg, times},
};

/// Three seconds.
const FRAMES: usize = 75;
/// The first are lost where a client has to wait for an image that stands for itself.
const LEAST: usize = 45;

/// A client that ends by itself when the stream does; at the latest with the test.
struct Client(Child);

impl Client {
    fn start(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::null()).stderr(Stdio::inherit());
        Self(child.spawn().expect("the client starts"))
    }

    fn end(mut self) {
        let start = Instant::now();
        while self.0.try_wait().expect("a child").is_none() {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "no end of the stream"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tcp_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("bound").port()
}

fn udp_port() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    socket.local_addr().expect("bound").port()
}

fn send(target: &str, settings: &[(&str, &str)]) {
    let regions = "<<40,30,32,24>,<0,0,8,8>>";
    let frames = FRAMES.to_string();
    script(
        "live.sh",
        &[&["test", regions, target], &FAST[..]].concat(),
        &[&[("FRAMES", &frames[..])], settings].concat(),
    );
}

/// 25 frames a second, none missing between the first and the last.
fn assert_steady(file: &Path) {
    let times = times(file);
    assert!(
        (LEAST..=FRAMES).contains(&times.len()),
        "{} frames",
        times.len()
    );
    for pair in times.windows(2) {
        let lasted = pair[1] - pair[0];
        // Containers of milliseconds round.
        assert!((0.038..0.042).contains(&lasted), "{lasted} s in {times:?}");
    }
}

#[test]
fn srt_at_25_frames_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.ts");
    let port = udp_port();
    let mut command = ffmpeg();
    command.args(["-i", &format!("srt://127.0.0.1:{port}?mode=listener")]);
    let client = Client::start(command.args(["-c", "copy"]).arg(&out));
    send(&format!("srt://127.0.0.1:{port}"), &[]);
    client.end();
    assert_steady(&out);
}

#[test]
fn rtmp_at_25_frames_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.flv");
    let target = format!("rtmp://127.0.0.1:{}/live/clean", tcp_port());
    let mut command = ffmpeg();
    command.args(["-listen", "1", "-f", "flv", "-i", &target]);
    let client = Client::start(command.args(["-c", "copy"]).arg(&out));
    // A connection made in order to see whether it listens would be the only one it takes.
    std::thread::sleep(Duration::from_millis(500));
    // GStreamer's own client makes a critical warning of an answer of this server.
    send(&target, &[("G_DEBUG", "")]);
    client.end();
    assert_steady(&out);
}

#[test]
fn rtp_at_25_frames_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.mkv");
    let port = udp_port();
    let caps = "application/x-rtp, media=video, encoding-name=H264, payload=96, clock-rate=90000";
    // The sender's end is not told: the receiver ends itself after a second of silence.
    let line = format!(
        "udpsrc address=127.0.0.1 port={port} timeout=1000000000 name=in caps=\"{caps}\" \
         ! rtpjitterbuffer ! rtph264depay ! h264parse ! matroskamux \
         ! filesink location=\"{}\" async=false",
        out.display()
    );
    let receiver = receive(&line);
    send(&format!("rtp://127.0.0.1:{port}"), &[]);
    receiver.join().expect("it received");
    assert!(fs::metadata(&out).unwrap().len() > 0);
    assert_steady(&out);
}

/// Plays a receiver in a thread, until its source has heard nothing for a while after data.
fn receive(line: &str) -> std::thread::JoinHandle<()> {
    gst::init().expect("GStreamer starts");
    let pipeline = gst::parse::launch(line).expect("a valid line");
    let pipeline: gst::Pipeline = pipeline.downcast().expect("a pipeline");
    pipeline.set_state(gst::State::Playing).expect("it listens");
    std::thread::spawn(move || {
        let bus = pipeline.bus().expect("a pipeline has one");
        let start = Instant::now();
        let patience = gst::ClockTime::from_seconds(60);
        for message in bus.iter_timed(patience) {
            match message.view() {
                // Before, the sender may not have begun.
                gst::MessageView::Element(element)
                    if element.has_name("GstUDPSrcTimeout") && start.elapsed().as_secs() > 3 =>
                {
                    pipeline.send_event(gst::event::Eos::new());
                }
                gst::MessageView::Eos(_) => break,
                gst::MessageView::Error(error) => panic!("{error:?}"),
                _ => {}
            }
        }
        pipeline.set_state(gst::State::Null).expect("stopped");
    })
}
