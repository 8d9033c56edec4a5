//! Profiles compiled to checks; the `Validator`, and `Validated`, which only this module can make.
