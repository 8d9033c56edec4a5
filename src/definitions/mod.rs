//! StructureDefinitions, ValueSets, CodeSystems and packages, snapshot generation, the built-in R4 pack.
