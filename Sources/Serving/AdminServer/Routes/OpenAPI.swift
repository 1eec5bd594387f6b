import AdminAPI

/// The API's description, OpenAPI 3.1.
struct OpenAPI: Encodable {
    fileprivate struct Info: Encodable {
        let title = "sts-bridge"
        let version: String
        let description = """
            The API behind the commands of sts-bridge: HTTP over the unix socket admin.socket, which its owner and its \
            group may use. Times are RFC 3339 in UTC, spans are whole seconds. Every error is a ProblemDetails. The API \
            distinguishes "absent" from "unknown": unknown means that it could not be found out.
            """
    }

    fileprivate struct Components: Encodable {
        let schemas: [String: ObjectSchema]
    }

    fileprivate struct Content: Encodable {
        let schema: Schema?
    }

    fileprivate struct Body: Encodable {
        let required = true
        let content: [String: Content]
    }

    fileprivate struct Reply: Encodable {
        let description: String
        let content: [String: Content]
    }

    fileprivate struct Parameter: Encodable {
        let name: String
        let `in`: String
        let required: Bool
        let schema: Schema
    }

    fileprivate struct Operation: Encodable {
        let summary: String
        let parameters: [Parameter]
        let requestBody: Body?
        let responses: [String: Reply]
    }

    private let openapi = "3.1.0"
    private let info: Info
    private let paths: [String: [String: Operation]]
    private let components: Components

    init(routes: [Route], version: String) {
        info = Info(version: version)
        var paths: [String: [String: Operation]] = [:]
        var schemas = ProblemDetails.schema.all
        for route in routes {
            paths[route.path, default: [:]][route.method.rawValue.lowercased()] = Operation(route)
            for object in route.objects { schemas.merge(object.all) { first, _ in first } }
        }
        self.paths = paths
        components = Components(schemas: schemas)
    }
}

extension OpenAPI.Operation {
    fileprivate init(_ route: Route) {
        summary = route.summary
        parameters = route.parameters.map {
            OpenAPI.Parameter(
                name: $0.name, in: $0.isInPath ? "path" : "query", required: $0.isInPath, schema: $0.schema)
        }
        requestBody = route.body.map {
            OpenAPI.Body(content: ["application/json": OpenAPI.Content(schema: .object($0))])
        }
        var responses = ["200": OpenAPI.Reply(route.reply)]
        let usual = [400: "The request is invalid."]
        for (status, description) in route.errors.merging(usual, uniquingKeysWith: { first, _ in first }) {
            responses["\(status)"] = OpenAPI.Reply(
                description: description,
                content: ["application/json": OpenAPI.Content(schema: .object(ProblemDetails.schema))])
        }
        self.responses = responses
    }
}

extension OpenAPI.Reply {
    fileprivate init(_ reply: Route.Reply) {
        switch reply {
        case .object(let object):
            self.init(
                description: object.summary, content: ["application/json": OpenAPI.Content(schema: .object(object))])
        case .objectOrLines(let object, let line):
            self.init(
                description: object.summary,
                content: [
                    "application/json": OpenAPI.Content(schema: .object(object)),
                    "application/jsonl": OpenAPI.Content(schema: .object(line)),
                ])
        case .openAPI:
            self.init(description: "OpenAPI 3.1.", content: ["application/json": OpenAPI.Content(schema: nil)])
        }
    }
}

extension Route {
    fileprivate var objects: [ObjectSchema] {
        let replies: [ObjectSchema] =
            switch reply {
            case .object(let object): [object]
            case .objectOrLines(let object, let line): [object, line]
            case .openAPI: []
            }
        return replies + [body].compactMap { $0 }
    }
}
