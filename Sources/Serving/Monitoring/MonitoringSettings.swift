import NIOCore

/// The limits of the monitoring server. Scrapers are few, and other clients must not cost much.
package struct MonitoringSettings: Sendable {
    /// Open connections of one address; more of them wait to be accepted. A scraper uses one.
    package var maximumConnections: Int
    /// Octets of the request line and the headers; a browser sends about 1,000.
    package var maximumHead: Int
    /// Longer than the usual scrape intervals, 15 s and 1 min, so that a scraper's connection stays open.
    package var idleTimeout: TimeAmount
    /// The longest life of a connection; the client connects again.
    package var lifetime: TimeAmount

    package init(
        maximumConnections: Int = 64, maximumHead: Int = 8_192, idleTimeout: TimeAmount = .seconds(90),
        lifetime: TimeAmount = .minutes(10)
    ) {
        self.maximumConnections = maximumConnections
        self.maximumHead = maximumHead
        self.idleTimeout = idleTimeout
        self.lifetime = lifetime
    }
}
