//! FHIRPath: an expression is parsed once and evaluated many times on borrowed data.
