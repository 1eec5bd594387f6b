enum Version {
    static let current = "0.1.0"
    /// When it was made, as manual pages write it.
    static let date = "November 21, 2026"

    /// Honest and stable, so that a bot filter can know it, with an address that says what we want from the host.
    static let userAgent = "sts-bridge/\(current) (+https://www.rfc-editor.org/rfc/rfc8461)"
}
