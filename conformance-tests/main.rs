//! One test binary: what holds for the whole house, and what testers may run against any gateway.

mod architecture;
<<<<<<< HEAD
=======
mod profiles;
mod store;
>>>>>>> 4c75131 (wip)
