//! The `argos-sync` program.

use std::process::ExitCode;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // Must come first: a supervisor may have to give up root privileges before there are threads.
    #[cfg(feature = "embedded")]
    if let Some(code) = argos_sync::embedded::supervisor_main() {
        return code;
    }
    argos_sync::cli::main()
}
