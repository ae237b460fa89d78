//! The options of a new run.

use std::{env, num::NonZeroUsize, path::PathBuf, thread};

use bytesize::ByteSize;
use clap::Args;
use propainter::{
    DeviceChoice,
    weights::{Network, WeightsError, find_in, search_folders},
};
use propainter_training::{
    data::Size,
    masks::Mixture,
    recompute::Segments,
    train::{Kind, Settings},
};

/// A new run of a training.
#[derive(Debug, Args)]
pub struct NewRun {
    /// Data set: a folder of videos or of folders of numbered images, or a list of videos (.json,
    /// .txt)
    #[arg(long, value_name = "PATH")]
    pub data: PathBuf,
    /// Folder of the run; it must not exist or be empty
    #[arg(long, value_name = "FOLDER")]
    pub out: PathBuf,
    /// Size that frames are trained at, multiples of 8
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "432x240")]
    pub size: Size,
    /// Number of clips of a step
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub batch: u16,
    /// Number of clips that are computed at once; their gradients are added up to a step. It has to
    /// divide the clips of a step [default: 1, or what --vram-budget leads to]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub at_once: Option<u16>,
    /// Number of steps
    #[arg(long, value_name = "N", default_value_t = 700_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: u64,
    /// Number of consecutive frames of a clip
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(2..))]
    pub local: u16,
    /// Number of reference frames of a clip [default: 6 for the generator; flow completion has none]
    #[arg(long, value_name = "N")]
    pub references: Option<u16>,
    /// Seed of everything that is drawn: samples, masks, first weights
    #[arg(long, value_name = "N", default_value_t = 2023)]
    pub seed: u64,
    /// Masks: official, rectangles, logos, tickers, text, overlays; several are joined by +, each with
    /// a weight if wanted (official=3+logos)
    #[arg(long, value_name = "STYLES", default_value_t)]
    pub masks: Mixture,
    /// Folder for the frames of decoded videos [default: propainter/frames in $XDG_CACHE_HOME or
    /// ~/.cache]
    #[arg(long, value_name = "FOLDER")]
    pub cache: Option<PathBuf>,
    /// Size of that folder in GB; videos that do not fit are decoded each time
    #[arg(long, value_name = "GB", default_value_t = 50)]
    pub cache_limit: u32,
    /// Folder of optical flow that was computed before: NAME/A_B_f.flo, NAME/B_A_b.flo
    #[arg(long, value_name = "FOLDER")]
    pub flows: Option<PathBuf>,
    /// Videos that are kept apart to validate with: a share such as 5%, or another data set
    #[arg(long, value_name = "N%|PATH", default_value = "5%")]
    pub validation: String,
    /// Checkpoint that the network starts from
    #[arg(long, value_name = "FILE")]
    pub init: Option<PathBuf>,
    /// Checkpoint that the discriminator starts from
    #[arg(long, value_name = "FILE")]
    pub init_discriminator: Option<PathBuf>,
    /// Parameters that stay as they are: a key, its beginning or its end, of whole words between dots
    #[arg(long, value_name = "PATTERN")]
    pub freeze: Vec<String>,
    /// Learning rate at the start [default: 5e-5 for flow completion, 1e-4 for the generator]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub learning_rate: Option<f64>,
    /// Folder of the checkpoints of RAFT and, for the generator, of flow completion
    #[arg(long, value_name = "FOLDER")]
    pub weights: Option<PathBuf>,
    /// Checkpoint of flow completion for the generator, in place of the one in that folder
    #[arg(long, value_name = "FILE")]
    pub flow_completion: Option<PathBuf>,
    /// Device that computes: auto, cpu or cuda:N
    #[arg(long, default_value_t)]
    pub device: DeviceChoice,
    /// Number type of the trained network; auto is fp32, or bf16 where fp32 does not fit --vram-budget;
    /// fp16 scales the losses
    #[arg(long, value_name = "TYPE", default_value = "auto", value_parser = ["auto", "fp32", "bf16", "fp16"])]
    pub precision: String,
    /// Compute parts of the network again in the backward pass, slower and with less memory: encoder,
    /// propagation, transformer, decoder, joined by +, all or none. Without a value all [default: none,
    /// or what --vram-budget leads to]
    #[arg(
        long,
        value_name = "SEGMENTS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "all"
    )]
    pub recompute: Option<Segments>,
    /// Memory that the training may take on its device, such as 8GB: it plans clips at once, precision
    /// and what is computed again, and takes less where memory runs out. On the CPU it is the memory of
    /// the process
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub vram_budget: Option<u64>,
    /// Number of threads that load samples [default: half of the processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Steps between two lines of the log
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub log_every: u64,
    /// Steps between two checkpoints [default: 5000 for flow completion, 10000 for the generator]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub checkpoint_every: Option<u64>,
    /// Steps between two pictures of a sample; 0 for none
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub sample_every: u64,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok();
    let rate = rate.filter(|rate: &f64| rate.is_finite() && *rate > 0.0);
    rate.ok_or_else(|| "a learning rate is a number above 0".to_owned())
}

/// Reads bytes such as `8GB`, `500MB`, `4GiB` or `4294967296`.
fn size(text: &str) -> Result<u64, String> {
    let bytes = text.parse::<ByteSize>().ok().map(|size| size.as_u64());
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "a size is a number with GB, MB, GiB or MiB: 8GB".to_owned())
}

impl NewRun {
    /// Returns the settings of the run.
    ///
    /// # Errors
    /// A checkpoint that the training needs is in none of the searched folders.
    pub fn settings(&self, kind: Kind) -> Result<Settings, WeightsError> {
        let is_generator = kind == Kind::Generator;
        let folders = search_folders(self.weights.as_deref());
        let raft = match !is_generator && self.flows.is_some() {
            // Frames are filled for validation if it is there.
            true => find_in(Network::Raft, &folders).ok(),
            false => Some(find_in(Network::Raft, &folders)?),
        };
        let flow_completion = match &self.flow_completion {
            _ if !is_generator => None,
            Some(file) => Some(file.clone()),
            None => Some(find_in(Network::FlowCompletion, &folders)?),
        };
        let percent = self.validation.strip_suffix('%');
        let percent = percent.and_then(|number| number.parse().ok());
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get) / 2;
        Ok(Settings {
            data: self.data.clone(),
            size: (self.size.width, self.size.height),
            batch: usize::from(self.batch),
            at_once: self.at_once.map(usize::from),
            steps: self.steps,
            local: usize::from(self.local),
            references: self
                .references
                .map_or(if is_generator { 6 } else { 0 }, usize::from),
            seed: self.seed,
            masks: self.masks.to_string(),
            cache: self.cache.clone().unwrap_or_else(cache),
            cache_limit: u64::from(self.cache_limit) * 1_000_000_000,
            flows: self.flows.clone(),
            validation_percent: percent.unwrap_or(0.0),
            validation: percent.is_none().then(|| PathBuf::from(&self.validation)),
            init: self.init.clone(),
            init_discriminator: self.init_discriminator.clone(),
            freeze: self.freeze.clone(),
            learning_rate: self.learning_rate,
            raft,
            flow_completion,
            device: self.device.to_string(),
            precision: self.precision.clone(),
            recompute: self.recompute.map(|segments| segments.to_string()),
            vram_budget: self.vram_budget.unwrap_or(0),
            threads: self.threads.map_or(threads.max(1), usize::from),
            log_every: self.log_every,
            checkpoint_every: self.checkpoint_every.unwrap_or(if is_generator {
                10_000
            } else {
                5000
            }),
            sample_every: self.sample_every,
        })
    }
}

/// Returns the folder for decoded videos.
fn cache() -> PathBuf {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let caches = env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty());
    let caches = caches.map(PathBuf::from).or_else(home);
    caches
        .unwrap_or_else(env::temp_dir)
        .join("propainter/frames")
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("8GB", 8_000_000_000),
            ("0.5 GiB", 1 << 29),
            ("4MiB", 4 << 20),
            ("300MB", 300_000_000),
            ("4096", 4096),
            ("1TB", 1_000_000_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "GB", "-1GB", "8XB", "nan", "0"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
