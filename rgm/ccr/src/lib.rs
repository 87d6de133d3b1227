//! Cluster configuration repository: one contract, the embedded store.
