//! The budgets of memory, divided among clips that run at once.

use crate::run::{ElementSettings, settings::SettingsError};

/// The budget of host memory.
const HOST: &str = "host-budget";

/// The budgets of memory, which clips that run at once divide among them.
pub const BUDGETS: [&str; 2] = ["vram-budget", HOST];

/// Returns the budgets of one of several clips that run at once. `free` are the bytes of host memory
/// that were free at the start, which they divide if no budget is set.
///
/// # Errors
/// None that the settings did not have before.
pub fn divided_budgets(
    settings: &ElementSettings,
    at_once: u64,
    free: Option<u64>,
) -> Result<ElementSettings, SettingsError> {
    let mut divided = ElementSettings::default();
    for name in BUDGETS {
        let set = settings.get(name);
        if at_once < 2 {
            set.map_or(Ok(()), |budget| divided.set(name, budget))?;
            continue;
        }
        // 0 stands for the memory that is free. Of a device's each clip reserves what it needs.
        let budget = match set.and_then(|text| text.parse::<u64>().ok()) {
            Some(0) | None if name == HOST => free.unwrap_or_default(),
            budget => budget.unwrap_or_default(),
        };
        if budget > 0 {
            divided.set(name, &(budget / at_once).max(1).to_string())?;
        }
    }
    Ok(divided)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The budgets of one of several clips, while 900 bytes are free.
    fn of(settings: &ElementSettings, at_once: u64) -> [Option<String>; 2] {
        let divided = divided_budgets(settings, at_once, Some(900)).unwrap();
        BUDGETS.map(|name| divided.get(name).map(str::to_owned))
    }

    #[test]
    fn clips_at_once_divide_the_budgets() {
        let text = |number: &str| Some(number.to_owned());
        let mut settings = ElementSettings::default();
        settings.set("vram-budget", "4000000001").unwrap();
        assert_eq!(of(&settings, 1), [text("4000000001"), None]);
        // Together they never have more than what was set, or is free.
        assert_eq!(of(&settings, 4), [text("1000000000"), text("225")]);
        settings.set("vram-budget", "0").unwrap();
        settings.set("host-budget", "2").unwrap();
        assert_eq!(of(&settings, 2), [None, text("1")]);
        settings.set("host-budget", "0").unwrap();
        assert_eq!(of(&settings, 2), [None, text("450")]);
        assert_eq!(of(&settings, 1), [text("0"), text("0")]);
        let unknown = divided_budgets(&settings, 2, None).unwrap();
        assert_eq!(unknown.get("host-budget"), None);
    }
}
