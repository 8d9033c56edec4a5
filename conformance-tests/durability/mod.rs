//! What was acknowledged survives: the process's death at any moment, and the loss of power.
//!
//! A killed process leaves the page cache behind, so killing shows nothing about the disk. The loss of power is
//! therefore simulated from the system calls that `strace` saw: a file holds what had been written before the last
//! completed sync, and of what was written after it nothing, or any part.

mod disk;
mod kills;
mod power;
mod served;
pub mod site;
mod workload;

use std::process::{Command, Stdio};

/// Whether system calls can be watched here. When not, says that a test was skipped, and why.
fn can_trace(test: &str) -> bool {
    let probe = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let able = probe.is_ok_and(|status| status.success());
    if !able {
        eprintln!(
            "SKIPPED {test}: `strace` is not installed or may not trace; nothing was shown about power cuts"
        );
    }
    able
}

/// The arguments that make `strace` write all that the simulation needs to a file.
fn trace_to(log: &std::path::Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-xx", "-s", "300000", "-e", "signal=none", "-e"]);
    command.arg("trace=pwrite64,pwritev,fdatasync,fsync,ftruncate,unlink,write,writev,sendto,sendmsg");
    command.arg("-o").arg(log);
    command
}
