//! The budgets of memory, divided among clips that run at once.

use crate::run::{ElementSettings, settings::SettingsError};

/// The budgets of memory, which clips that run at once divide among them.
const BUDGETS: [&str; 2] = ["vram-budget", "host-budget"];

/// Returns settings with the budgets of one of several clips that run at once.
///
/// # Errors
/// None that the settings did not have before.
pub fn divided_budget(
    settings: &ElementSettings,
    at_once: u64,
) -> Result<ElementSettings, SettingsError> {
    let mut divided = settings.clone();
    for name in BUDGETS {
        let budget = settings.get(name).and_then(|text| text.parse::<u64>().ok());
        // 0 stands for the memory that is free, of which each reserves what it needs.
        if let Some(budget) = budget.filter(|&budget| budget > 0 && at_once > 1) {
            divided.set(name, &(budget / at_once).max(1).to_string())?;
        }
    }
    Ok(divided)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_at_once_divide_the_budget() {
        let mut settings = ElementSettings::default();
        settings.set("vram-budget", "4000000001").unwrap();
        let of = |at_once| {
            let divided = divided_budget(&settings, at_once).unwrap();
            BUDGETS.map(|name| divided.get(name).map(str::to_owned))
        };
        assert_eq!(of(1), [Some("4000000001".to_owned()), None]);
        // Together they never have more than what was set.
        assert_eq!(of(4), [Some("1000000000".to_owned()), None]);
        settings.set("vram-budget", "0").unwrap();
        settings.set("host-budget", "2").unwrap();
        let divided = divided_budget(&settings, 2).unwrap();
        assert_eq!(
            (divided.get("vram-budget"), divided.get("host-budget")),
            (Some("0"), Some("1"))
        );
    }
}
