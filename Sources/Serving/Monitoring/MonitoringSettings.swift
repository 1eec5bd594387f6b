import NIOCore

/// An address of the monitoring server: `127.0.0.1:9461`, `[::1]:9461`.
package struct MonitoringAddress: Hashable, Sendable, CustomStringConvertible {
    /// A host name or IP address without brackets. `::` includes all IPv4 addresses.
    package let host: String
    /// 0: the system chooses.
    package let port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

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
