//! Readers of local formats, mapping files, ConceptMaps and the loss ledger.
