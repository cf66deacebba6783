//! The command-line options of the simulator.

use chrono::Days;

use super::clock;
use super::faults::Faults;
use super::knobs::{CiphertextForm, DateFormat, FilterZone, Knobs, Order, PagingPlace, TimeFormat};
use super::people::population::Population;
use super::simulation::{SimulatedProject, Simulation};
use crate::domain::{Day, Stream};

/// How to simulate the vendor.
#[derive(Debug, Clone, clap::Args)]
pub struct SimulateOptions {
    /// Port on the loopback address; 0 picks a free one.
    #[arg(long, default_value_t = 8641)]
    pub port: u16,
    /// Seed of all generated values.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Number of submissions.
    #[arg(long, default_value_t = 10_000)]
    pub submissions: u32,
    /// Number of face authentications.
    #[arg(long, default_value_t = 5_000)]
    pub faceauths: u32,
    /// First day with records [default: a year before --to].
    #[arg(long, value_name = "DAY")]
    pub from: Option<Day>,
    /// Day after the last one with records [default: today].
    #[arg(long, value_name = "DAY")]
    pub to: Option<Day>,
    /// API key of the ID Check project.
    #[arg(long, default_value = "simulated-idcheck-key", value_name = "KEY")]
    pub key: String,
    /// API key of the face authentication project.
    #[arg(long, default_value = "simulated-faceauth-key", value_name = "KEY")]
    pub faceauth_key: String,
    /// Order of lists.
    #[arg(long, value_enum, default_value = "descending")]
    pub order: Order,
    /// Date format that the filter accepts.
    #[arg(long, value_enum, default_value = "dash")]
    pub date_format: DateFormat,
    /// Format of date-times of submissions.
    #[arg(long, value_enum, default_value = "iso")]
    pub time_format: TimeFormat,
    /// Time zone of the days of the date filter.
    #[arg(long, value_enum, default_value = "utc")]
    pub filter_zone: FilterZone,
    /// Exclude the end day of a filter.
    #[arg(long)]
    pub end_exclusive: bool,
    /// Return all fields in list items.
    #[arg(long)]
    pub full_list_items: bool,
    /// Largest page size.
    #[arg(long, default_value_t = 2000)]
    pub max_count: u32,
    /// Return every Nth list page empty, with a cursor; 0 means never.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub empty_page_every: u32,
    /// Delay of every response in milliseconds.
    #[arg(long, default_value_t = 0)]
    pub latency_ms: u64,
    /// Text form of ciphertexts if both projects use Secure Data Transmission.
    #[arg(long, value_enum, default_value = "none", value_name = "TEXT_FORM")]
    pub encryption: CiphertextForm,
    /// Place of the page size and cursor of encrypted requests.
    #[arg(long, value_enum, default_value = "clear", value_name = "PLACE")]
    pub encrypted_paging: PagingPlace,
    /// Share of calls that fail, from 0 to 1.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub fault_share: f64,
}

impl SimulateOptions {
    /// The simulation that these options describe.
    pub fn simulation(&self) -> Simulation {
        let to = self.to.unwrap_or_else(|| clock::now().date_naive());
        let population = Population {
            seed: self.seed,
            submissions: self.submissions,
            faceauths: self.faceauths,
            from: self.from.unwrap_or_else(|| to.checked_sub_days(Days::new(365)).unwrap_or(to)),
            to,
        };
        let keys = [(&self.key, Stream::Submission), (&self.faceauth_key, Stream::Faceauth)];
        let projects = keys.map(|(key, stream)| SimulatedProject {
            key: key.clone(),
            stream,
            population: population.clone(),
        });
        let simulation = Simulation::new(projects.into());
        simulation.set_all_knobs(&Knobs {
            order: self.order,
            date_format: self.date_format,
            time_format: self.time_format,
            filter_zone: self.filter_zone,
            end_exclusive: self.end_exclusive,
            full_list_items: self.full_list_items,
            max_count: self.max_count,
            empty_page_every: self.empty_page_every,
            latency_ms: self.latency_ms,
            encryption: self.encryption,
            encrypted_paging: self.encrypted_paging,
            ..Knobs::default()
        });
        simulation.set_faults(Faults::evenly(self.seed, self.fault_share));
        simulation
    }
}
