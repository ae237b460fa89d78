//! PTX through `ptxas`.
