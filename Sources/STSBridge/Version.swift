enum Version {
    static let current = "0.1.0"

    /// Honest and stable, so that a bot filter can know it; the RFC says what we want from the host.
    static let userAgent = "sts-bridge/\(current) (MTA-STS policy fetch; RFC 8461)"
}
