//! Where a box has the certificates of authorities that its options add.

/// A file in the box with the authorities of its image and those that were added, in PEM. It exists if any were added. Variables such as
/// `SSL_CERT_FILE` name it, since some programs read no store of the system.
pub const BUNDLE: &str = "/etc/boxlite/ca-certificates.crt";
