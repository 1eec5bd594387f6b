import NIOCore

/// Where the pages are served: `127.0.0.1:9461`, `[::1]:9461`.
package struct MonitoringAddress: Hashable, Sendable, CustomStringConvertible {
    /// A host name or IP address without brackets. `::` is all addresses of IPv4 too.
    package let host: String
    /// 0: one of the system's choice.
    package let port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// The limits of the pages' server. Those who scrape are few; whoever else reaches it must not cost much.
package struct MonitoringSettings: Sendable {
    /// Connections at once on one address; more of them wait to be accepted. A scraper keeps one.
    package var maximumConnections: Int
    /// Octets of a request's line and headers; a browser sends about 1,000.
    package var maximumHead: Int
    /// Longer than the usual intervals of scraping, 15 s and 1 min, so that a scraper's connection stays.
    package var idleTimeout: TimeAmount
    /// Then it has to connect anew.
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
