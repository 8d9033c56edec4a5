//! Settings and the registry, read in one place.
