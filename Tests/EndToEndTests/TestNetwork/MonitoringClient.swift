import Foundation

/// A client for `/metrics`, `/healthz` and `/readyz`.
struct MonitoringClient: Sendable {
    struct Page: Sendable {
        let status: Int
        let body: String
    }

    let port: UInt16

    /// Sends one GET on a connection of its own. Does not block a thread of Swift's tasks.
    func get(_ path: String) async throws -> Page {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(with: Result { try exchange(path) })
            }
        }
    }

    private func exchange(_ path: String) throws -> Page {
        let connection = try TCPConnection(to: "127.0.0.1", port: port)
        try connection.write(Array("GET \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".utf8))
        var octets: [UInt8] = []
        while case let more = try connection.read(upTo: 65_536), !more.isEmpty { octets += more }
        let text = String(decoding: octets, as: UTF8.self)
        guard let end = text.firstRange(of: "\r\n\r\n"), let status = Int(text.dropFirst(9).prefix(3)) else {
            throw TestNetworkError("no HTTP response: \(text)")
        }
        return Page(status: status, body: String(text[end.upperBound...]))
    }

    func metrics() async throws -> MetricsPage { MetricsPage(text: try await get("/metrics").body) }
}

/// The text of `/metrics`.
struct MetricsPage: Sendable {
    let text: String

    private var samples: [Substring] { text.split(separator: "\n").filter { !$0.hasPrefix("#") } }

    /// The value of one sample, if there is one.
    subscript(series: String) -> Double? {
        samples.first { $0.hasPrefix(series + " ") }.flatMap { Double($0.dropFirst(series.count + 1)) }
    }

    /// The names of all samples, with `_bucket`, `_sum` and `_count` of histograms.
    var names: Set<String> { Set(samples.map { String($0.prefix { $0 != "{" && $0 != " " }) }) }

    /// Name and type of each metric.
    var types: Set<String> {
        Set(
            text.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }
                .map { String($0.dropFirst("# TYPE ".count)) })
    }
}
