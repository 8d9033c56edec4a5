//! One test binary: what holds for the whole house, and what testers may run against any gateway.

mod definitions;
mod architecture;
mod deliver;
mod profiles;
mod store;
mod convert;
