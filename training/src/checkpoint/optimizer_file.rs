//! The file with the states of optimisers and schedules.

use std::{collections::BTreeMap, path::Path};

use propainter::weights::{Layout, Network, Object, read_object};

use super::{
    ByKey, CheckpointError,
    pickle::{Elements, Item, dict, text},
    state_dict, torch_file,
};
use crate::{
    discriminator,
    optimizer::{AdamState, LossScaleState, MultiStep},
};

/// The key of what PyTorch has no place for; it ignores it.
const OURS: &str = "propainter";

/// The state of one optimiser and of its schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerRecord {
    /// The steps and the means of squares.
    pub adam: AdamState,
    /// The gradients of the last step, for PyTorch, where they are the first moments. They are
    /// written where they are given, and not read.
    pub gradients: ByKey,
    /// The schedule.
    pub schedule: MultiStep,
    /// The steps that the schedule counts.
    pub finished: u64,
    /// The loss scale; `None` in files of the official training.
    pub scale: Option<LossScaleState>,
}

/// How far a training is, beside its weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The passes over the data, counted from 0.
    pub epoch: u64,
    /// The steps finished.
    pub iteration: u64,
    /// The optimiser of the trained network.
    pub network: OptimizerRecord,
    /// The optimiser of the discriminator, where the generator is trained.
    pub discriminator: Option<OptimizerRecord>,
    /// What else a run goes on from, such as its seed and the position of its sampler, by name.
    pub notes: BTreeMap<String, String>,
}

/// A parameter's key and shape, in the order that numbers them.
type Numbered = Vec<(String, Vec<usize>)>;

fn numbered(network: Network) -> Numbered {
    let keys: Vec<_> = state_dict::parameters(network).collect();
    let slots = Layout::of(network).slots.into_iter();
    let slots = slots.filter(|slot| keys.contains(&slot.key));
    slots.map(|slot| (slot.key, slot.shape)).collect()
}

fn numbered_discriminator() -> Numbered {
    let slots = discriminator::slots();
    slots
        .filter(|(key, _)| !discriminator::is_buffer(key))
        .collect()
}

/// Writes the file.
pub(super) fn write(
    path: &Path,
    network: Network,
    progress: &Progress,
) -> Result<(), CheckpointError> {
    let numbered = numbered(network);
    let numbered_discriminator = numbered_discriminator();
    // PyTorch wants a first moment beside each second one.
    let most = numbered
        .iter()
        .map(|(_, shape)| shape.iter().product())
        .max();
    let zeros = vec![0.0; most.unwrap_or(0)];
    let mut items = vec![
        ("epoch", int(progress.epoch)),
        ("iteration", int(progress.iteration)),
        ("optimG", optimizer(&progress.network, &numbered, &zeros)),
        ("scheG", schedule(&progress.network)),
    ];
    let mut scales = vec![("G", scale(&progress.network))];
    if let Some(record) = &progress.discriminator {
        items.push(("optimD", optimizer(record, &numbered_discriminator, &zeros)));
        items.push(("scheD", schedule(record)));
        scales.push(("D", scale(record)));
    }
    let notes = progress.notes.iter();
    let notes = dict(notes.map(|(name, note)| (name.as_str(), text(note.as_str()))));
    items.push((
        OURS,
        dict([("loss_scales", dict(scales)), ("notes", notes)]),
    ));
    torch_file::write(path, &dict(items))
}

fn int<'a>(int: u64) -> Item<'a> {
    Item::Int(int as i64)
}

fn optimizer<'a>(
    record: &'a OptimizerRecord,
    numbered: &'a Numbered,
    zeros: &'a [f32],
) -> Item<'a> {
    let state = numbered
        .iter()
        .enumerate()
        .filter_map(|(number, (key, shape))| {
            let square = record.adam.squares.get(key)?;
            let gradient = record.gradients.get(key);
            let tensor = |floats: &'a [f32]| Item::Tensor {
                shape,
                data: Elements::Floats(floats),
            };
            let state = dict([
                ("step", int(record.adam.steps)),
                (
                    "exp_avg",
                    tensor(gradient.map_or(&zeros[..square.len()], |all| all)),
                ),
                ("exp_avg_sq", tensor(square)),
            ]);
            Some((int(number as u64), state))
        });
    let rate = record.schedule.rate(record.finished);
    let group = dict([
        ("lr", Item::Float(rate)),
        (
            "betas",
            Item::Tuple(vec![Item::Float(0.0), Item::Float(0.99)]),
        ),
        ("eps", Item::Float(1e-8)),
        ("weight_decay", Item::Int(0)),
        ("amsgrad", Item::Bool(false)),
        ("initial_lr", Item::Float(record.schedule.initial)),
        (
            "params",
            Item::List((0..numbered.len() as u64).map(int).collect()),
        ),
    ]);
    dict([
        ("state", Item::Dict(state.collect())),
        ("param_groups", Item::List(vec![group])),
    ])
}

fn schedule(record: &OptimizerRecord) -> Item<'_> {
    let MultiStep {
        initial,
        milestones,
        gamma,
    } = &record.schedule;
    let mut counts = BTreeMap::new();
    for &milestone in milestones {
        *counts.entry(milestone).or_insert(0) += 1;
    }
    let counts = counts
        .into_iter()
        .map(|(milestone, count)| (int(milestone), int(count)));
    let rate = record.schedule.rate(record.finished);
    dict([
        ("milestones", Item::Counter(counts.collect())),
        ("gamma", Item::Float(*gamma)),
        ("restarts", Item::Tuple(vec![Item::Int(0)])),
        ("restart_weights", Item::Tuple(vec![Item::Int(1)])),
        ("base_lrs", Item::List(vec![Item::Float(*initial)])),
        ("last_epoch", int(record.finished)),
        ("verbose", Item::Bool(false)),
        ("_step_count", int(record.finished + 1)),
        ("_get_lr_called_within_step", Item::Bool(false)),
        ("_last_lr", Item::List(vec![Item::Float(rate)])),
    ])
}

fn scale(record: &OptimizerRecord) -> Item<'_> {
    let Some(scale) = record.scale else {
        return Item::None;
    };
    dict([
        ("factor", Item::Float(scale.factor.into())),
        ("clean_steps", int(scale.clean_steps.into())),
        ("skipped_in_a_row", int(scale.skipped_in_a_row.into())),
        ("skipped", int(scale.skipped)),
    ])
}

/// Reads the file.
pub(super) fn read(path: &Path, network: Network) -> Result<Progress, CheckpointError> {
    let numbered = numbered(network);
    let elements = |all: &Numbered| -> usize {
        all.iter()
            .map(|(_, shape)| shape.iter().product::<usize>())
            .sum()
    };
    let numbered_discriminator = numbered_discriminator();
    let most = elements(&numbered) + elements(&numbered_discriminator);
    let file = read_object(path, most as u64 * 16 + (16 << 20))?;
    let root = Reader {
        path,
        name: String::new(),
        object: &file,
    };
    let scales = root.find(OURS).and_then(|ours| ours.find("loss_scales"));
    let record = |letter: &str, numbered: &Numbered| {
        let scale = scales.as_ref().and_then(|scales| scales.find(letter));
        let scale = scale.filter(|scale| *scale.object != Object::None);
        root.record(letter, numbered, scale)
    };
    Ok(Progress {
        epoch: root.item("epoch")?.int()?,
        iteration: root.item("iteration")?.int()?,
        network: record("G", &numbered)?,
        discriminator: match network {
            Network::Generator => Some(record("D", &numbered_discriminator)?),
            Network::FlowCompletion | Network::Raft => None,
        },
        notes: match root.find(OURS).and_then(|ours| ours.find("notes")) {
            Some(notes) => notes.notes()?,
            None => BTreeMap::new(),
        },
    })
}

/// A value of the file, with its name for messages.
struct Reader<'a> {
    path: &'a Path,
    name: String,
    object: &'a Object,
}

impl<'a> Reader<'a> {
    fn failed<T>(&self, problem: impl Into<String>) -> Result<T, CheckpointError> {
        Err(CheckpointError::Entry {
            file: self.path.to_owned(),
            key: self.name.clone(),
            problem: problem.into(),
        })
    }

    fn inner(&self, name: &str, object: &'a Object) -> Self {
        let name = match self.name.as_str() {
            "" => name.to_owned(),
            outer => format!("{outer}.{name}"),
        };
        let path = self.path;
        Self { path, name, object }
    }

    fn find(&self, name: &str) -> Option<Self> {
        Some(self.inner(name, self.object.item(name)?))
    }

    fn item(&self, name: &str) -> Result<Self, CheckpointError> {
        match self.object.item(name) {
            Some(object) => Ok(self.inner(name, object)),
            None => self.inner(name, self.object).failed("is missing"),
        }
    }

    fn int(&self) -> Result<u64, CheckpointError> {
        let int = match self.object {
            Object::Int(int) => u64::try_from(*int).ok(),
            // PyTorch keeps an optimiser's steps as a tensor.
            Object::Float(float) => Some(*float as u64),
            Object::Tensor { data, .. } => data.first().map(|&float| float as u64),
            _ => None,
        };
        match int {
            Some(int) => Ok(int),
            None => self.failed("is no count"),
        }
    }

    fn float(&self) -> Result<f64, CheckpointError> {
        match self.object {
            Object::Int(int) => Ok(*int as f64),
            Object::Float(float) => Ok(*float),
            _ => self.failed("is no number"),
        }
    }

    fn list(&self) -> Result<&'a [Object], CheckpointError> {
        match self.object {
            Object::List(items) => Ok(items),
            _ => self.failed("is no list"),
        }
    }

    fn items(&self) -> Result<&'a [(Object, Object)], CheckpointError> {
        match self.object {
            Object::Dict(items) => Ok(items),
            _ => self.failed("is no dict"),
        }
    }

    fn notes(&self) -> Result<BTreeMap<String, String>, CheckpointError> {
        let note = |(name, note): &(Object, Object)| match (name, note) {
            (Object::Text(name), Object::Text(note)) => Ok((name.clone(), note.clone())),
            _ => self.failed("holds something that is no text"),
        };
        self.items()?.iter().map(note).collect()
    }

    fn record(
        &self,
        letter: &str,
        numbered: &Numbered,
        scale: Option<Reader<'_>>,
    ) -> Result<OptimizerRecord, CheckpointError> {
        let adam = self.item(&format!("optim{letter}"))?.adam(numbered)?;
        let schedule = self.item(&format!("sche{letter}"))?;
        let rates = schedule.item("base_lrs")?;
        let Some(initial) = rates.list()?.first() else {
            return rates.failed("is empty");
        };
        let mut milestones = Vec::new();
        let counts = schedule.item("milestones")?;
        for (milestone, count) in counts.items()? {
            let milestone = counts.inner("step", milestone).int()?;
            let count = counts.inner("count", count).int()?;
            milestones.extend((0..count.min(64)).map(|_| milestone));
        }
        milestones.sort_unstable();
        Ok(OptimizerRecord {
            adam,
            gradients: ByKey::new(),
            schedule: MultiStep {
                initial: rates.inner("0", initial).float()?,
                milestones,
                gamma: schedule.item("gamma")?.float()?,
            },
            finished: schedule.item("last_epoch")?.int()?,
            scale: match scale {
                Some(scale) => Some(LossScaleState {
                    factor: scale.item("factor")?.float()? as f32,
                    clean_steps: scale.item("clean_steps")?.int()? as u32,
                    skipped_in_a_row: scale.item("skipped_in_a_row")?.int()? as u32,
                    skipped: scale.item("skipped")?.int()?,
                }),
                None => None,
            },
        })
    }

    fn adam(&self, numbered: &Numbered) -> Result<AdamState, CheckpointError> {
        let groups = self.item("param_groups")?;
        let [group] = groups.list()? else {
            return groups.failed("is not one group");
        };
        let group = groups.inner("0", group);
        let params = group.item("params")?;
        if params.list()?.len() != numbered.len() {
            let (got, wanted) = (params.list()?.len(), numbered.len());
            return params.failed(format!("has {got} parameters, the network {wanted}"));
        }
        let betas = group.item("betas")?;
        if let Some(beta1) = betas.list()?.first()
            && betas.inner("0", beta1).float()? != 0.0
        {
            return betas.failed("has a first one that is not 0, which is not known here");
        }
        let mut adam = AdamState::default();
        let states = self.item("state")?;
        for (number, state) in states.items()? {
            let number = states.inner("number", number).int()?;
            let state = states.inner(&number.to_string(), state);
            let Some((key, shape)) = numbered.get(number as usize) else {
                return state.failed("has no parameter");
            };
            adam.steps = adam.steps.max(state.item("step")?.int()?);
            let square = state.item("exp_avg_sq")?;
            let Object::Tensor { shape: got, data } = square.object else {
                return square.failed("is no tensor");
            };
            if got != shape {
                return square.failed(format!("of `{key}` has the shape {got:?}, not {shape:?}"));
            }
            if data.iter().any(|value| !value.is_finite() || *value < 0.0) {
                return square.failed(format!("of `{key}` holds what is no mean of squares"));
            }
            adam.squares.insert(key.clone(), data.clone());
        }
        Ok(adam)
    }
}
