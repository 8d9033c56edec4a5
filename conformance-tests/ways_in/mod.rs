//! The ways in and what becomes of what cannot be used: watched folders, the dry run, translation, correction.

mod correction;
mod dry_run;
mod folder;
mod killed;
mod story;
mod translation;
