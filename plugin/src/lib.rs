//! The plugin `propainter`.
