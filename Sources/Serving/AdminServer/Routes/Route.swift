import AdminAPI
import Hummingbird

/// One route of the API: its description for OpenAPI, and its handler.
struct Route: Sendable {
    struct Parameter: Sendable {
        let name: String
        let schema: Schema
        let isInPath: Bool
    }

    enum Reply: Sendable {
        case object(ObjectSchema)
        /// The first object, or JSON lines of the second one if `all` is true.
        case objectOrLines(ObjectSchema, ObjectSchema)
        case openAPI
    }

    let method: HTTPRequest.Method
    /// In the form of OpenAPI: `/v1/entries/{domain}`.
    let path: String
    let summary: String
    var parameters: [Parameter] = []
    var body: ObjectSchema?
    let reply: Reply
    /// The statuses of its errors besides 400, with their descriptions.
    var errors: [Int: String] = [:]
    let handler: @Sendable (Request, AdminRequestContext) async throws -> Response
}

extension Route.Parameter {
    static func path(_ name: String, summary: String) -> Self {
        Self(name: name, schema: .text(summary), isInPath: true)
    }

    static func query(_ name: String, as schema: Schema) -> Self { Self(name: name, schema: schema, isInPath: false) }

    static let domain = path("domain", summary: "A domain in any spelling that Postfix may send; U-labels as UTF-8.")
}

extension Parameters {
    /// A parameter of the path, percent-decoded (the router does not decode it).
    func text(_ name: String) -> String {
        let text = get(name) ?? ""
        return text.removingPercentEncoding ?? text
    }
}
