import Hummingbird

/// One way into the API: what it is called, what it takes and gives, and what it does.
struct Route: Sendable {
    struct Parameter: Sendable {
        let name: String
        let schema: Schema
        let isInPath: Bool
    }

    enum Reply: Sendable {
        case object(ObjectSchema)
        /// The object, or JSON lines of the other one where `all` is true.
        case objectOrLines(ObjectSchema, ObjectSchema)
        case openAPI
    }

    let method: HTTPRequest.Method
    /// As OpenAPI writes it: `/v1/entries/{domain}`.
    let path: String
    let summary: String
    var parameters: [Parameter] = []
    var body: ObjectSchema?
    let reply: Reply
    /// What it may refuse with besides 400: by status, in words.
    var refusals: [Int: String] = [:]
    let answer: @Sendable (Request, AdminContext) async throws -> Response

    /// It changes something, and is logged with who asked.
    var changes: Bool { method != .get }
}

extension Route.Parameter {
    static func path(_ name: String, _ about: String) -> Self { Self(name: name, schema: .text(about), isInPath: true) }
    static func query(_ name: String, _ schema: Schema) -> Self { Self(name: name, schema: schema, isInPath: false) }

    static let domain = path("domain", "A domain in any spelling that Postfix may send; U-labels as UTF-8.")
}

extension Parameters {
    /// A path's parameter, which the router leaves percent-encoded.
    func text(_ name: String) -> String {
        let text = get(name) ?? ""
        return text.removingPercentEncoding ?? text
    }
}
