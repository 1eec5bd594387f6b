import AsyncHTTPClient
import Hummingbird

enum Skeleton {
    static func router() -> Router<BasicRequestContext> { Router() }
    static func ask() async throws {
        _ = try await HTTPClient.shared.execute(HTTPClientRequest(url: "http://x/"), timeout: .seconds(1))
    }
}
