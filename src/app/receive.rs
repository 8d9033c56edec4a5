//! `sgw receive`: a partner's receiver for trying out a subscription by hand.

use super::{COULD_NOT_RUN, complain, say};
use crate::deliver::receiver::{Receiver, Reply};
use crate::deliver::webhook::Secret;
use std::fs::OpenOptions;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How often new notifications are looked for.
const GLANCE: Duration = Duration::from_millis(50);

/// Receives notifications, verifies their signatures and writes each Bundle as a line of JSON.
#[derive(clap::Args)]
pub struct Args {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// The file that holds the `whsec_…` signing secret shared with the gateway.
    #[arg(long, value_name = "FILE")]
    secret_file: PathBuf,
    /// Append the Bundles to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs until interrupted. Exit code 0 after an interrupt, 2 when it could not listen or write.
pub fn run(args: Args) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    match runtime.block_on(receive(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(message: &str) -> ExitCode {
    complain(message);
    ExitCode::from(COULD_NOT_RUN)
}

async fn receive(args: Args) -> std::io::Result<()> {
    let secret = std::fs::read_to_string(&args.secret_file)?;
    let mut output: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(OpenOptions::new().create(true).append(true).open(path)?),
        None => Box::new(std::io::stdout()),
    };
    let secret = Secret::parse(secret.trim()).map_err(std::io::Error::other)?;
    let taking_all = Arc::new(|_: &_, _| Reply::status(200));
    let receiver = Receiver::start_at(&args.listen.to_string(), vec![secret], taking_all).await?;
    say(&format!("listening on {}", receiver.endpoint()));
    let mut written = 0;
    let mut refused = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep(GLANCE) => {}
            interrupted = tokio::signal::ctrl_c() => return interrupted,
        }
        for notification in receiver.received().iter().skip(written) {
            writeln!(output, "{}", notification.bundle)?;
            written += 1;
        }
        output.flush()?;
        if receiver.refused() > refused {
            refused = receiver.refused();
            complain("a request without a valid signature was refused");
        }
    }
}
