//! What was asked for on the command line.

pub(crate) const USAGE: &str = "cargo bench --features jemalloc --bench sync -- \
    [--submissions N] [--rounds N] [--only load,workers,details,memory,present] [--scale]";

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Load,
    Workers,
    Details,
    Memory,
    Present,
}

impl Part {
    const ALL: [Self; 5] = [Self::Load, Self::Workers, Self::Details, Self::Memory, Self::Present];

    /// Its name on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Workers => "workers",
            Self::Details => "details",
            Self::Memory => "memory",
            Self::Present => "present",
        }
    }

    /// Whether it takes so long that it has to be asked for.
    fn is_long(self) -> bool {
        match self {
            Self::Load | Self::Workers | Self::Details => false,
            Self::Memory | Self::Present => true,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Arguments {
    /// Submissions of the first load; the other parts follow it.
    pub(crate) submissions: u32,
    pub(crate) rounds: u32,
    only: Vec<Part>,
    scale: bool,
    /// Whether cargo runs it as a benchmark, and not as one of all targets of `cargo test`.
    pub(crate) is_bench: bool,
}

impl Arguments {
    /// Reads the arguments; the error says what is wrong with them.
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
                // What `cargo bench` says to every benchmark.
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

    /// What is to be measured, in order.
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
