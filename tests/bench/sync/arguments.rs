//! The command line.

pub(crate) const USAGE: &str = "cargo bench --features jemalloc --bench sync -- \
    [--submissions N] [--rounds N] [--only load,workers,details,memory,present,vendor,processes] \
    [--scale]";

/// A part of the benchmark that can run alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Load,
    Workers,
    Details,
    Memory,
    Present,
    Vendor,
    Processes,
}

impl Part {
    const ALL: [Self; 7] = [
        Self::Load,
        Self::Workers,
        Self::Details,
        Self::Memory,
        Self::Present,
        Self::Vendor,
        Self::Processes,
    ];

    /// Its name on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Workers => "workers",
            Self::Details => "details",
            Self::Memory => "memory",
            Self::Present => "present",
            Self::Vendor => "vendor",
            Self::Processes => "processes",
        }
    }

    /// Whether it is long and runs only on request.
    fn is_long(self) -> bool {
        match self {
            Self::Load | Self::Workers | Self::Details => false,
            Self::Memory | Self::Present | Self::Vendor | Self::Processes => true,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Arguments {
    /// Submissions of the first load, from which the other parts derive their sizes.
    pub(crate) submissions: u32,
    pub(crate) rounds: u32,
    only: Vec<Part>,
    scale: bool,
    /// Whether `cargo bench` started it, and not `cargo test --all-targets`.
    pub(crate) is_bench: bool,
}

impl Arguments {
    /// Reads the arguments; the error describes the first invalid one.
    pub(crate) fn read(mut given: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self {
            submissions: 100_000,
            rounds: 5,
            only: Vec::new(),
            scale: false,
            is_bench: false,
        };
        while let Some(name) = given.next() {
            let mut value = || given.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                // Passed by `cargo bench` to every benchmark.
                "--bench" => arguments.is_bench = true,
                "--scale" => arguments.scale = true,
                "--submissions" => arguments.submissions = number(&value()?)?,
                "--rounds" => arguments.rounds = number(&value()?)?,
                "--only" => {
                    arguments.only = value()?.split(',').map(part).collect::<Result<_, _>>()?;
                }
                other => return Err(format!("`{other}` is unknown")),
            }
        }
        Ok(arguments)
    }

    /// The parts to measure, in order.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part> {
        Part::ALL.into_iter().filter(|part| match self.only.as_slice() {
            [] => self.scale || !part.is_long(),
            only => only.contains(part),
        })
    }
}

fn number(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or(format!("`{text}` is no number from 1 on"))
}

fn part(name: &str) -> Result<Part, String> {
    let found = Part::ALL.into_iter().find(|part| part.as_str() == name);
    found.ok_or(format!("there is no part `{name}`"))
}
