import Hummingbird

/// What each path answers. Read-only: GET and HEAD.
///
/// `/healthz`: 200 for as long as the process serves. `/readyz`: 200, or 503 with the reason in one line. `/metrics`: the
/// text format of Prometheus.
struct MonitoringPages: Sendable {
    let registry: PrometheusRegistry
    let readiness: Readiness
    /// Brings metrics up to date that nobody counts as things happen.
    let gather: @Sendable () async -> Void

    func response(to request: Request) async -> Response {
        guard let page = Page(rawValue: request.uri.path) else { return Self.line("not found", .notFound) }
        switch request.method {
        case .get: return await response(page)
        case .head: return await response(page).createHeadResponse()
        default:
            var refusal = Self.line("only GET and HEAD", .methodNotAllowed)
            refusal.headers[.allow] = "GET, HEAD"
            return refusal
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
            return Self.text(registry.text(), .ok, mediaType: PrometheusText.mediaType)
        case .health:
            return Self.line("ok", .ok)
        case .readiness:
            guard let obstacle = readiness.obstacle else { return Self.line("ready", .ok) }
            return Self.line("not ready: \(obstacle)", .serviceUnavailable)
        }
    }

    private static func line(_ line: String, _ status: HTTPResponse.Status) -> Response {
        text(line + "\n", status, mediaType: "text/plain; charset=utf-8")
    }

    private static func text(_ text: String, _ status: HTTPResponse.Status, mediaType: String) -> Response {
        Response(
            status: status, headers: [.contentType: mediaType, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
