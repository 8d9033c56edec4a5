//! Topics, filters, subscription state and notification Bundles.
