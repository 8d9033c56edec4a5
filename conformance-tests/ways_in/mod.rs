//! The ways in and what becomes of what cannot be used: watched folders, the dry run, translation, correction.

mod acknowledged;
mod correction;
mod counted;
mod doors;
mod dry_run;
mod folder;
mod generated;
mod killed;
mod line;
mod makers;
mod objects;
mod pages;
mod shaped;
mod story;
mod translation;
