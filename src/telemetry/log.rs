//! Structured logs, as JSON lines or as text, on standard error.

use serde::{Deserialize, Serialize};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One JSON object for each line.
    Json,
    /// Text for people.
    #[default]
    Text,
}

/// The section `[log]` of the settings file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// How lines are written.
    pub format: Format,
    /// What is written: a level, or directives for parts of the gateway, such as `info,sgw::deliver=debug`.
    pub level: String,
}

impl Default for LogSettings {
    fn default() -> LogSettings {
        LogSettings { format: Format::Text, level: "info".to_owned() }
    }
}

/// Why logs could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level is not a level or a list of directives.
    #[error("`log.level` is not a level such as `info` nor a list of directives")]
    Level,
    /// Another part of the process has started logs already.
    #[error("logs are already being written")]
    AlreadyStarted,
}

/// Starts writing logs for the whole process; call it once.
pub fn start(settings: &LogSettings) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(&settings.level).map_err(|_| LogError::Level)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match settings.format {
        Format::Json => lines.json().flatten_event(true).finish().try_init(),
        Format::Text => lines.finish().try_init(),
    };
    started.map_err(|_| LogError::AlreadyStarted)
}
