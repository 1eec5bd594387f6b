import Hummingbird

/// The responses of each path, to GET and HEAD.
///
/// `/healthz`: 200 while the process runs. `/readyz`: 200, or 503 with the reason in one line. `/metrics`: the text
/// format of Prometheus.
struct MonitoringPages: Sendable {
    let registry: PrometheusRegistry
    let readiness: Readiness
    /// Updates metrics that are not counted as events happen.
    let gather: @Sendable () async -> Void

    func response(to request: Request) async -> Response {
        guard let page = Page(rawValue: request.uri.path) else { return Self.line("not found", status: .notFound) }
        switch request.method {
        case .get: return await response(page)
        case .head: return await response(page).createHeadResponse()
        default:
            var response = Self.line("only GET and HEAD", status: .methodNotAllowed)
            response.headers[.allow] = "GET, HEAD"
            return response
        }
    }

    private enum Page: String {
        case metrics = "/metrics"
        case health = "/healthz"
        case readiness = "/readyz"
    }

    private func response(_ page: Page) async -> Response {
        switch page {
        case .metrics:
            await gather()
            return Self.text(registry.text(), status: .ok, mediaType: PrometheusText.mediaType)
        case .health:
            return Self.line("ok", status: .ok)
        case .readiness:
            guard let reason = readiness.notReadyReason else { return Self.line("ready", status: .ok) }
            return Self.line("not ready: \(reason)", status: .serviceUnavailable)
        }
    }

    private static func line(_ line: String, status: HTTPResponse.Status) -> Response {
        text(line + "\n", status: status, mediaType: "text/plain; charset=utf-8")
    }

    private static func text(_ text: String, status: HTTPResponse.Status, mediaType: String) -> Response {
        Response(
            status: status, headers: [.contentType: mediaType, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
