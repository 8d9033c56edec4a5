//! `sgw demo`: the main job, end to end, in a temporary folder, with a real gateway and three real partners.

mod desk;
mod observe;
mod partner;
mod story;
mod world;

use super::{ANSWER_IS_NO, COULD_NOT_RUN, complain, say};
use observe::Observed;
use std::path::PathBuf;
use std::process::ExitCode;
use world::World;

/// Shows the main job, end to end, with real servers inside; exits 0 only if every outcome was observed.
#[derive(clap::Args)]
pub struct Args {
    /// Leave the gateway and the partners running afterwards, and print addresses and keys.
    #[arg(long)]
    keep: bool,
    /// Write the site to this new folder and leave it there, so that its log can be looked at afterwards.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// Why the story could not be told to its end.
#[derive(Debug, thiserror::Error)]
pub enum StoryError {
    /// A file or socket failed.
    #[error("input or output failed: {0}")]
    Io(#[from] std::io::Error),
    /// A request to the gateway failed.
    #[error("a request failed: {0}")]
    Http(#[from] reqwest::Error),
    /// The gateway answered with something that is not JSON.
    #[error("an answer is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The site could not be written or the gateway could not be started.
    #[error("the gateway could not be started: {0}")]
    Start(String),
    /// The story asks for a party that has no key.
    #[error("there is no key for `{0}`")]
    NoKey(String),
    /// Something that the rest of the story rests on was not seen.
    #[error("{0}")]
    Unobserved(String),
}

/// Tells the story. Exit codes: 0 every outcome was observed, 1 one was not, 2 the story could not be told.
pub fn run(args: Args) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::from(COULD_NOT_RUN);
        }
    };
    match runtime.block_on(tell(args.keep, args.folder)) {
        Ok(observed) => verdict(&observed),
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

fn verdict(observed: &Observed) -> ExitCode {
    say("");
    if observed.missing().is_empty() {
        say(&format!("All {} outcomes were observed.", observed.seen()));
        return ExitCode::SUCCESS;
    }
    say(&format!("{} outcomes were observed; these were not:", observed.seen()));
    for outcome in observed.missing() {
        say(&format!("  {outcome}"));
    }
    ExitCode::from(ANSWER_IS_NO)
}

async fn tell(keep: bool, folder: Option<PathBuf>) -> Result<Observed, StoryError> {
    let mut observed = Observed::default();
    let mut world = World::start(&mut observed, folder).await?;
    story::tell(&mut world, &mut observed).await?;
    if keep {
        world.show_the_way_in();
        tokio::signal::ctrl_c().await?;
    }
    world.stop(&mut observed).await?;
    Ok(observed)
}
