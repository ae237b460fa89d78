//! The element's properties as options of the command line, made from the element class itself.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, builder::PossibleValuesParser};
use gst::{glib, prelude::*};
use propainter_elements::Propainter;
use thiserror::Error;

/// The presets that the program brings along.
const PRESETS: &str = include_str!("../../../presets/GstPropainter.prs");

/// Name of the option that chooses a preset.
const PRESET: &str = "preset";

/// Values of the element's properties, as texts that GStreamer parses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ElementSettings {
    /// Names and values in the order in which they are set: a preset first.
    values: Vec<(String, String)>,
}

/// A property that cannot be set.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SettingsError {
    #[error("there is no property {0}: `propainter run --help` lists them")]
    NoProperty(String),
    #[error("{name}={value}: {problem}")]
    Value {
        name: String,
        value: String,
        problem: String,
    },
    #[error("there is no preset {name}: use one of {known}")]
    NoPreset { name: String, known: String },
}

impl ElementSettings {
    /// Sets a property.
    ///
    /// # Errors
    /// The element has no such property, or it does not take this value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingsError> {
        let known = properties();
        let property = known.iter().find(|property| property.name() == name);
        let property = property.ok_or_else(|| SettingsError::NoProperty(name.to_owned()))?;
        parse(property, value).map_err(|problem| SettingsError::Value {
            name: name.to_owned(),
            value: value.to_owned(),
            problem,
        })?;
        self.values.retain(|(set, _)| set != name);
        self.values.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// Takes over the values that `other` sets.
    pub fn take(&mut self, other: &Self) {
        for (name, value) in &other.values {
            self.values.retain(|(set, _)| set != name);
            self.values.push((name.clone(), value.clone()));
        }
    }

    /// Returns the text that a property is set to; `None` where it keeps its default.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.values.iter().find(|(set, _)| set == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the names and values of all properties that are set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let values = self.values.iter();
        values.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Sets the properties of a preset.
    ///
    /// # Errors
    /// There is no such preset.
    pub fn load_preset(&mut self, name: &str) -> Result<(), SettingsError> {
        let file = glib::KeyFile::new();
        // The file is part of the program, and a test loads every preset of it.
        let _ = file.load_from_data(PRESETS, glib::KeyFileFlags::NONE);
        let unknown = || SettingsError::NoPreset {
            name: name.to_owned(),
            known: preset_names().join(", "),
        };
        let keys = file.keys(name).ok().filter(|_| !name.starts_with('_'));
        let keys = keys.ok_or_else(unknown)?;
        for key in keys.iter().filter(|key| !key.starts_with("_meta/")) {
            let value = file.value(name, key).map_err(|_| unknown())?;
            self.set(key, &value)?;
        }
        Ok(())
    }

    /// Sets the properties of an element.
    ///
    /// # Errors
    /// The element lacks a property, or does not take its value.
    pub fn apply(&self, element: &gst::Element) -> Result<(), SettingsError> {
        for (name, text) in self.iter() {
            let property = element.find_property(name);
            let property = property.ok_or_else(|| SettingsError::NoProperty(name.to_owned()))?;
            let value = parse(&property, text).map_err(|problem| SettingsError::Value {
                name: name.to_owned(),
                value: text.to_owned(),
                problem,
            })?;
            element.set_property_from_value(name, &value);
        }
        Ok(())
    }
}

/// Returns the names of the presets that the program brings along.
pub fn preset_names() -> Vec<String> {
    let headings = PRESETS.lines().filter_map(|line| {
        let name = line.strip_prefix('[')?.strip_suffix(']')?;
        (!name.starts_with('_')).then(|| name.to_owned())
    });
    headings.collect()
}

/// Returns the element's properties that can be set; none where GStreamer does not start.
fn properties() -> Vec<glib::ParamSpec> {
    if gst::init().is_err() {
        return Vec::new();
    }
    let class = glib::Class::<Propainter>::from_type(Propainter::static_type());
    let all = class.map_or_else(Vec::new, |class| {
        class.list_properties().as_slice().to_vec()
    });
    all.into_iter()
        .filter(|property| {
            property.owner_type() == Propainter::static_type()
                && property.flags().contains(glib::ParamFlags::WRITABLE)
        })
        .collect()
}

/// Parses the value of a property.
fn parse(property: &glib::ParamSpec, text: &str) -> Result<glib::Value, String> {
    if property.value_type() == glib::Type::STRING {
        return Ok(text.to_value());
    }
    let value = glib::Value::deserialize_with_pspec(text, property)
        .ok()
        .filter(|value| in_range(property, value));
    value.ok_or_else(|| format!("expected {}", expected(property)))
}

/// Returns whether a number is one that a property takes.
fn in_range(property: &glib::ParamSpec, value: &glib::Value) -> bool {
    if let Some(number) = property.downcast_ref::<glib::ParamSpecUInt>() {
        let range = number.minimum()..=number.maximum();
        return value.get().is_ok_and(|value: u32| range.contains(&value));
    }
    if let Some(number) = property.downcast_ref::<glib::ParamSpecDouble>() {
        let range = number.minimum()..=number.maximum();
        return value.get().is_ok_and(|value: f64| range.contains(&value));
    }
    true // 64 bits have no narrower range
}

/// Returns what values a property takes, for messages and the help.
fn expected(property: &glib::ParamSpec) -> String {
    let range = |least: &dyn std::fmt::Display, most: &dyn std::fmt::Display| {
        format!("a number from {least} to {most}")
    };
    if let Some(number) = property.downcast_ref::<glib::ParamSpecUInt>() {
        return range(&number.minimum(), &number.maximum());
    }
    if let Some(number) = property.downcast_ref::<glib::ParamSpecUInt64>() {
        return range(&number.minimum(), &number.maximum());
    }
    if let Some(number) = property.downcast_ref::<glib::ParamSpecDouble>() {
        return range(&number.minimum(), &number.maximum());
    }
    if let Some(flags) = glib::FlagsClass::with_type(property.value_type()) {
        let nicks: Vec<_> = flags.values().iter().map(|value| value.nick()).collect();
        return format!("{}, joined by +", nicks.join(", "));
    }
    match property.value_type() {
        glib::Type::BOOL => "true or false".to_owned(),
        _ => format!("a value such as {}", default_of(property)),
    }
}

/// Returns the default of a property as text.
fn default_of(property: &glib::ParamSpec) -> String {
    let default = property.default_value();
    if let Some((class, set)) = glib::FlagsClass::with_type(property.value_type())
        .and_then(|class| Some((class, default.transform::<u32>().ok()?.get::<u32>().ok()?)))
    {
        let values = class
            .values()
            .iter()
            .filter(|v| v.value() != 0 && v.value() & set != 0);
        let nicks: Vec<_> = values.map(|value| value.nick()).collect();
        return nicks.join("+");
    }
    match default.get::<Option<String>>() {
        Ok(text) => text.unwrap_or_default(),
        Err(_) => default
            .serialize()
            .map_or_else(|_| String::new(), Into::into),
    }
}

/// Returns the option that sets a property.
fn option(property: glib::ParamSpec) -> Arg {
    let name = property.name();
    let arg = Arg::new(name)
        .long(name)
        .help_heading("Properties of the element");
    let default = default_of(&property);
    let mut help = property.blurb().unwrap_or_default().to_owned();
    if !default.is_empty() {
        help = format!("{help} [default: {default}]");
    }
    let arg = arg.help(help).value_name("VALUE");
    if let Some(values) = glib::EnumClass::with_type(property.value_type()) {
        let nicks = values.values().iter();
        let nicks: Vec<_> = nicks.map(|value| value.nick().to_owned()).collect();
        return arg.value_parser(PossibleValuesParser::new(nicks));
    }
    let arg = match property.value_type() {
        glib::Type::BOOL => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        _ => arg,
    };
    arg.value_parser(move |text: &str| parse(&property, text).map(|_| text.to_owned()))
}

/// Adds the options of all properties, once the subcommand is used.
fn add_options(command: Command) -> Command {
    let preset = Arg::new(PRESET)
        .long(PRESET)
        .value_name("NAME")
        .help("Set of properties for a GPU of this size; single properties override it")
        .help_heading("Properties of the element")
        .value_parser(PossibleValuesParser::new(preset_names()));
    let options = properties().into_iter().map(option);
    command.arg(preset).args(options)
}

impl Args for ElementSettings {
    fn augment_args(command: Command) -> Command {
        command.defer(add_options)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ElementSettings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut settings = Self::default();
        settings.update_from_arg_matches(matches)?;
        Ok(settings)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let given = |name: &str| matches.try_get_one::<String>(name).ok().flatten();
        let invalid = |error: SettingsError| {
            clap::Error::raw(
                clap::error::ErrorKind::ValueValidation,
                format!("{error}\n"),
            )
        };
        if let Some(preset) = given(PRESET) {
            self.load_preset(preset).map_err(invalid)?;
        }
        for property in properties() {
            if let Some(value) = given(property.name()) {
                self.set(property.name(), value).map_err(invalid)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        settings: ElementSettings,
    }

    fn parsed(words: &[&str]) -> Result<ElementSettings, String> {
        let line = Line::try_parse_from(["run"].iter().chain(words));
        line.map(|line| line.settings)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_property_that_can_be_set_is_an_option() {
        gst::init().unwrap();
        let element: gst::Element = glib::Object::new::<Propainter>().upcast();
        let mut command = Line::augment_args(Command::new("run"));
        command.build();
        for property in element.list_properties() {
            let is_option = command
                .get_arguments()
                .any(|arg| arg.get_id() == property.name());
            let own = property.owner_type() == Propainter::static_type();
            let writable = property.flags().contains(glib::ParamFlags::WRITABLE);
            assert_eq!(is_option, own && writable, "{}", property.name());
        }
    }

    #[test]
    fn options_reach_the_element() {
        gst::init().unwrap();
        let words = [
            "--mode=sliding",
            "--subvideo-length=40",
            "--mask-invert",
            "--scene-cuts=false",
            "--mask-regions=<<1,2,3,4>>",
            "--allow-degradation=precision+window",
            "--weights=a folder",
        ];
        let settings = parsed(&words).unwrap();
        let element: gst::Element = glib::Object::new::<Propainter>().upcast();
        settings.apply(&element).unwrap();
        assert_eq!(element.property::<u32>("subvideo-length"), 40);
        assert!(element.property::<bool>("mask-invert"));
        assert!(!element.property::<bool>("scene-cuts"));
        assert_eq!(element.property::<String>("weights"), "a folder");
        let set = |name: &str, text: &str| {
            let property = element.find_property(name).unwrap();
            let value = parse(&property, text).unwrap();
            let compared = element.property_value(name).compare(&value);
            assert_eq!(compared, Some(std::cmp::Ordering::Equal), "{name}");
        };
        set("mode", "sliding");
        set("mask-regions", "<<1,2,3,4>>");
        set("allow-degradation", "precision+window");
    }

    #[test]
    fn values_are_checked_and_the_error_names_the_option() {
        for (word, expected) in [
            ("--subvideo-length=1", "a number from 2 to 100000"),
            ("--mode=slow", "reference"),
            ("--scene-cuts=maybe", "true or false"),
            ("--allow-degradation=all", "resolution"),
            ("--mask-regions=1,2,3,4", "a value such as"),
            ("--preset=7gb", "8gb"),
        ] {
            let error = parsed(&[word]).unwrap_err();
            let name = word.split('=').next().unwrap();
            assert!(error.contains(name) && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn every_preset_loads_and_single_options_override_it() {
        assert_eq!(preset_names().len(), 6);
        for name in preset_names() {
            let settings = parsed(&["--preset", &name]).unwrap();
            assert!(settings.get("vram-budget").is_some(), "{name}");
        }
        let settings = parsed(&["--vram-reserve=7", "--preset=8gb"]).unwrap();
        assert_eq!(settings.get("vram-reserve"), Some("7"));
        assert_eq!(settings.get("vram-budget"), Some("8053063680"));
    }
}
