//! Training of the flow completion network and of the generator (spec: training).

#![warn(missing_docs)]
