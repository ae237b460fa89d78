//! The official release of the weights.

use propainter::weights::Network;

/// URL of the official files: the assets of release v0.1.0.
pub const BASE_URL: &str = "https://github.com/sczhou/ProPainter/releases/download/v0.1.0";

/// One file of a release.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    pub network: Network,
    /// Name of the file.
    pub name: &'static str,
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256, in hexadecimal.
    pub sha256: &'static str,
}

/// The official files. Several independent public projects pin the same sizes and digests for this
/// release.
pub const OFFICIAL: [Asset; 3] = [
    Asset {
        network: Network::Raft,
        name: "raft-things.pth",
        bytes: 21_108_000,
        sha256: "fcfa4125d6418f4de95d84aec20a3c5f4e205101715a79f193243c186ac9a7e1",
    },
    Asset {
        network: Network::FlowCompletion,
        name: "recurrent_flow_completion.pth",
        bytes: 20_348_681,
        sha256: "22939a1a7900da878dbe1ccd011d646b1bfb30b8290039d8ff0e0c2fefbfd283",
    },
    Asset {
        network: Network::Generator,
        name: "ProPainter.pth",
        bytes: 157_780_510,
        sha256: "12c070c4b48f374c91d8a2a17851140b85c159621080989f9e191bbc18bd6591",
    },
];
