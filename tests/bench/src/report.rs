//! Ratios of medians, with their spread.

use std::fmt::Write as _;

/// The values of one figure, round by round, of us and of the baseline.
#[derive(Default)]
pub(crate) struct Rounds {
    pub(crate) ours: Vec<f64>,
    pub(crate) theirs: Vec<f64>,
}

impl Rounds {
    /// The ratio of the medians, and the smallest and largest ratio of a round.
    fn ratio(&self) -> (f64, f64, f64) {
        let mut each: Vec<f64> =
            self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| ours / theirs).collect();
        each.sort_by(f64::total_cmp);
        let smallest = each.first().copied().unwrap_or(f64::NAN);
        let largest = each.last().copied().unwrap_or(f64::NAN);
        (median(&self.ours) / median(&self.theirs), smallest, largest)
    }

    /// A row of the table.
    pub(crate) fn row(&self, figure: &str, unit: &str, goal: &str) -> String {
        let (ratio, smallest, largest) = self.ratio();
        let mut row = String::new();
        // Writing to a text does not fail.
        let _fails_never = write!(
            row,
            "| {figure} | {} {unit} | {} {unit} | **{ratio:.2}** | {smallest:.2} to {largest:.2} | {goal} |",
            short(median(&self.ours)),
            short(median(&self.theirs)),
        );
        row
    }
}

/// The head of the table.
pub(crate) const HEAD: &str = "| figure | Bonafide | baseline | ratio | spread over the rounds | goal |\n|---|---|---|---|---|---|";

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Three significant digits at least.
pub(crate) fn short(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
