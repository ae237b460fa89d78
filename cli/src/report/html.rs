//! The page: text, tables, pictures and curves in one file that needs no other. It is HTML and XML at
//! once, so that any parser reads it.

use std::fmt::Write;

use image::{RgbImage, codecs::jpeg::JpegEncoder, imageops::FilterType};
use propainter::Frame;

/// Widest picture in the page, in pixels.
const WIDEST: u32 = 640;

/// Quality of the pictures.
const QUALITY: u8 = 92;

/// Width and height of a chart.
const CHART: (f64, f64) = (600.0, 180.0);

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:1320px;margin:2em auto;\
padding:0 1em;color:#222}h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}\
table{border-collapse:collapse}td{padding:.15em 1.2em .15em 0;vertical-align:top}\
td:first-child{color:#666}figure{margin:0 0 1em}figcaption{color:#666}\
.pair{display:flex;gap:8px;flex-wrap:wrap}.pair img{max-width:49%;height:auto}\
svg{border:1px solid #ddd;margin-right:8px;max-width:100%;height:auto}polyline{fill:none;stroke-width:1.5}";

/// Colour, name, and points over seconds.
pub type Curve<'a> = (&'a str, &'a str, Vec<(f64, f64)>);

/// A page that grows from top to bottom.
pub struct Page {
    text: String,
}

impl Page {
    /// Begins a page.
    pub fn new(title: &str) -> Self {
        let title = escape(title);
        let text = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        );
        Self { text }
    }

    /// Adds a heading.
    pub fn heading(&mut self, text: &str) {
        let _ = writeln!(self.text, "<h2>{}</h2>", escape(text));
    }

    /// Adds a paragraph.
    pub fn paragraph(&mut self, text: &str) {
        let _ = writeln!(self.text, "<p>{}</p>", escape(text));
    }

    /// Adds a table of two columns.
    pub fn table(&mut self, rows: &[(String, String)]) {
        self.text.push_str("<table>\n");
        for (name, value) in rows {
            let (name, value) = (escape(name), escape(value));
            let _ = writeln!(self.text, "<tr><td>{name}</td><td>{value}</td></tr>");
        }
        self.text.push_str("</table>\n");
    }

    /// Adds a picture before and after.
    pub fn pair(&mut self, before: &Frame, after: &Frame, caption: &str) {
        let images = [("before", before), ("after", after)].map(|(name, frame)| {
            let data = gst::glib::base64_encode(&jpeg(frame));
            format!("<img alt=\"{name}\" src=\"data:image/jpeg;base64,{data}\"/>")
        });
        let _ = writeln!(
            self.text,
            "<figure><div class=\"pair\">{}</div><figcaption>{}</figcaption></figure>",
            images.concat(),
            escape(caption)
        );
    }

    /// Adds a chart of curves, without those that stay at 0. `unit` is the text of a value.
    pub fn chart(&mut self, curves: &[Curve<'_>], unit: &dyn Fn(f64) -> String) {
        let rises = |(_, _, points): &&Curve<'_>| points.iter().any(|(_, y)| *y > 0.0);
        let curves: Vec<_> = curves.iter().filter(rises).collect();
        let points = || curves.iter().flat_map(|(_, _, points)| points);
        let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(0.0, f64::max);
        let (end, top) = (most(|p| p.0), most(|p| p.1));
        if end <= 0.0 || top <= 0.0 {
            return;
        }
        let (width, height) = CHART;
        let _ = write!(
            self.text,
            "<svg width=\"{width}\" height=\"{}\" viewBox=\"0 0 {width} {}\">",
            height + 40.0,
            height + 40.0
        );
        for (number, (colour, name, points)) in curves.iter().enumerate() {
            let places = points.iter().map(|(x, y)| {
                let (x, y) = (x / end * width, 20.0 + height * (1.0 - y / top));
                format!("{x:.1},{y:.1}")
            });
            let places: Vec<_> = places.collect();
            let _ = write!(
                self.text,
                "<polyline stroke=\"{colour}\" points=\"{}\"/><text x=\"{}\" y=\"15\" \
                 fill=\"{colour}\" font-size=\"13\">{}</text>",
                places.join(" "),
                8 + 200 * number,
                escape(name)
            );
        }
        let _ = writeln!(
            self.text,
            "<text x=\"{}\" y=\"15\" text-anchor=\"end\" font-size=\"13\">up to {}</text>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\" font-size=\"13\">{end:.1} s</text></svg>",
            width - 8.0,
            escape(&unit(top)),
            width - 8.0,
            height + 35.0
        );
    }

    /// Returns the whole page.
    pub fn finish(self) -> String {
        self.text + "</body>\n</html>\n"
    }
}

/// Replaces the characters that mean something in HTML, and those that it does not hold.
fn escape(text: &str) -> String {
    let is_lost = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    text.replace(is_lost, "\u{fffd}")
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Returns a frame as JPEG, at most [`WIDEST`] pixels wide.
fn jpeg(frame: &Frame) -> Vec<u8> {
    let (width, height) = (frame.width() as u32, frame.height() as u32);
    let mut bytes = Vec::new();
    let Some(image) = RgbImage::from_raw(width, height, frame.rgb().to_vec()) else {
        return bytes;
    };
    let image = match width > WIDEST {
        true => {
            let scaled = (u64::from(height) * u64::from(WIDEST) / u64::from(width)).max(1);
            image::imageops::resize(&image, WIDEST, scaled as u32, FilterType::Triangle)
        }
        false => image,
    };
    // Writing to memory does not fail, and JPEG takes every picture of this width.
    let _ = JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&image);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_its_pictures_and_escapes_its_texts() {
        let mut page = Page::new("a <b> & \"c\"");
        let frame = Frame::new(800, 2, vec![128; 800 * 2 * 3]);
        page.pair(&frame, &frame, "frame 7");
        let curve = vec![(0.0, 0.0), (2.0, 5.0)];
        let zero = vec![(0.0, 0.0), (2.0, 0.0)];
        page.chart(
            &[("red", "frames", curve), ("green", "none", zero)],
            &|top| format!("{top:.0} frames"),
        );
        page.chart(&[("red", "nothing", Vec::new())], &|_| String::new());
        page.table(&[("a & b".to_owned(), "\u{0}<c>\u{1b}".to_owned())]);
        page.paragraph("1 < 2");
        let text = page.finish();
        let options = roxmltree::ParsingOptions {
            allow_dtd: true,
            ..Default::default()
        };
        let parsed = roxmltree::Document::parse_with_options(&text, options).unwrap();
        let count = |name| {
            parsed
                .descendants()
                .filter(|n| n.has_tag_name(name))
                .count()
        };
        assert_eq!((count("td"), count("img"), count("polyline")), (2, 2, 1));
        assert!(text.contains("a &lt;b&gt; &amp; &quot;c&quot;"));
        assert_eq!(text.matches("src=\"data:image/jpeg;base64,/9j/").count(), 2);
        assert_eq!(text.matches("<svg").count(), 1);
        assert!(text.contains("0.0,200.0 600.0,20.0") && text.contains("up to 5 frames"));
        for outside in ["http:", "https:", "<script"] {
            assert!(!text.contains(outside), "{outside}");
        }
    }
}
