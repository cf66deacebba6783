//! The program.

use std::process::ExitCode;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // First of all: a supervisor may have to give up root before there is any thread.
    #[cfg(feature = "embedded")]
    if let Some(code) = argos_sync::embedded::supervisor_main() {
        return code;
    }
    argos_sync::cli::main()
}
