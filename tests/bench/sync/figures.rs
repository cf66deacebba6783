//! The measured figures of all rounds, and their table.

use std::fmt::Write as _;

/// The unit of a figure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    /// A rate per second.
    PerSecond,
    Seconds,
    Mebibytes,
    /// Bytes per submission.
    BytesEach,
    Count,
    /// A ratio.
    Times,
    Percent,
}

impl Unit {
    fn write(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{}/s", grouped(value)),
            Self::Seconds => format!("{value:.2} s"),
            Self::Mebibytes => format!("{value:.1} MiB"),
            Self::BytesEach => {
                format!("{} B", if value < 10.0 { format!("{value:.2}") } else { grouped(value) })
            }
            Self::Count => grouped(value),
            Self::Times => format!("{value:.2} x"),
            Self::Percent => format!("{value:.2}%"),
        }
    }
}

#[derive(Debug)]
struct Figure {
    name: String,
    unit: Unit,
    /// One value for each round.
    values: Vec<f64>,
}

impl Figure {
    fn sorted(&self) -> Vec<f64> {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        values
    }

    fn median(&self) -> f64 {
        let values = self.sorted();
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let middle = values.len() / 2;
        if values.len() % 2 == 1 {
            at(middle)
        } else {
            f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
        }
    }
}

/// The figures of one part of the benchmark, in the order in which they were first noted.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<Figure>);

impl Figures {
    /// Adds the value of a round.
    pub(crate) fn note(&mut self, name: impl Into<String>, unit: Unit, value: f64) {
        let name = name.into();
        match self.0.iter_mut().find(|figure| figure.name == name) {
            Some(figure) => figure.values.push(value),
            None => self.0.push(Figure { name, unit, values: vec![value] }),
        }
    }

    /// The median of a figure.
    pub(crate) fn median(&self, name: &str) -> f64 {
        self.named(name).median()
    }

    /// The largest value of a figure.
    pub(crate) fn largest(&self, name: &str) -> f64 {
        self.named(name).values.iter().copied().fold(f64::NAN, f64::max)
    }

    /// The median of a figure with its unit.
    pub(crate) fn written(&self, name: &str) -> String {
        let figure = self.named(name);
        figure.unit.write(figure.median())
    }

    fn named(&self, name: &str) -> &Figure {
        self.0.iter().find(|figure| figure.name == name).expect("a figure that was noted")
    }

    /// One line for each figure: median, smallest and largest.
    pub(crate) fn table(&self, title: &str) -> String {
        let mut table = format!("{title}\n");
        let width = self.0.iter().map(|figure| figure.name.len()).max().unwrap_or_default();
        for figure in &self.0 {
            let values = figure.sorted();
            let mut line =
                format!("  {:width$} {:>14}", figure.name, figure.unit.write(figure.median()));
            if let [smallest, .., largest] = values.as_slice() {
                let (smallest, largest) =
                    (figure.unit.write(*smallest), figure.unit.write(*largest));
                let _infallible = write!(line, "   ({smallest} - {largest})");
            }
            let _infallible = writeln!(table, "{line}");
        }
        table
    }
}

/// A rounded number with commas between thousands.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
