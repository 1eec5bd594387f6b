import AdminAPI
import Hummingbird
import PolicyCaching

/// All routes. The router and `/openapi.json` are both built from this list.
struct Routes: Sendable {
    private let operations: AdminOperations
    /// How long a request's body may take to arrive.
    private let bodyTimeout: Duration

    init(_ operations: AdminOperations, bodyTimeout: Duration) {
        self.operations = operations
        self.bodyTimeout = bodyTimeout
    }

    var all: [Route] { reading + cache + overrides + control + [description] }

    private static let unknownDomain = [404: "The domain is not in the cache."]

    // MARK: Reading

    private var reading: [Route] {
        [
            Route(
                method: .get, path: "/v1/status", summary: "The state of the daemon.",
                reply: .object(StatusResponse.schema)
            ) { request, _ in
                _ = try request.query([])
                return try AdminJSON.response(await operations.status())
            },
            Route(
                method: .get, path: "/v1/explain/{key}",
                summary: "The reply to Postfix, the reason for it, and what happens next.",
                parameters: [
                    .path("key", summary: "A key of Postfix: a domain, host:port, [host]:port; percent-encoded."),
                    .query("live", as: .flag("Also make a fresh discovery, and list the differences.")),
                ], reply: .object(ExplainResponse.schema)
            ) { request, context in
                let isLive = try request.query(["live"]).flag("live")
                return try AdminJSON.response(await operations.explain(context.parameters.text("key"), isLive: isLive))
            },
        ]
    }

    // MARK: The cache

    private var cache: [Route] {
        [
            Route(
                method: .get, path: "/v1/entries", summary: "The domains in memory.", parameters: Self.filters,
                reply: .objectOrLines(EntryListResponse.schema, EntrySummary.schema)
            ) { request, _ in
                let parameters = try request.query(QueryParameters.entryNames)
                let query = try parameters.entryQuery()
                guard try parameters.flag("all") else { return try AdminJSON.response(await operations.list(query)) }
                return Response(
                    status: .ok, headers: [.contentType: "application/jsonl"],
                    body: EntryStream(pages: operations.policies.list(query)).body)
            },
            Route(
                method: .get, path: "/v1/entries/{domain}", summary: "What the cache knows of one domain.",
                parameters: [.domain], reply: .object(EntryResponse.schema),
                errors: Self.unknownDomain.merging([503: "The cache file cannot be read."]) { $1 }
            ) { request, context in
                _ = try request.query([])
                return try AdminJSON.response(await operations.entry(context.parameters.text("domain")))
            },
            Route(
                method: .post, path: "/v1/entries/{domain}/refresh",
                summary: "Queries the record and fetches the policy now, regardless of TTL, id and back-off.",
                parameters: [.domain], reply: .object(RefreshResponse.schema)
            ) { request, context in
                _ = try request.query([])
                return try AdminJSON.response(await operations.refresh(context.parameters.text("domain")))
            },
            Route(
                method: .delete, path: "/v1/entries/{domain}",
                summary: "Forgets one domain, in memory and in the cache file; its override stays.",
                parameters: [.domain],
                reply: .object(ForgetResponse.schema), errors: Self.unknownDomain
            ) { request, context in
                _ = try request.query([])
                return try AdminJSON.response(await operations.forget(context.parameters.text("domain")))
            },
        ]
    }

    private static let filters: [Route.Parameter] = [
        .query("state", as: .text("Only these states, separated by commas.")),
        .query("failing", as: .flag("Only domains whose last TXT query or fetch failed.")),
        .query("expiringWithin", as: .integer("Only policies that expire within this number of seconds.")),
        .query("text", as: .text("Only domains that contain this text.")),
        .query("sort", as: .word(EntrySort.self, summary: "The order. Default: domain, but none if all is true.")),
        .query("descending", as: .flag("Reverse the order.")),
        .query("after", as: .text("The value of next in the previous page.")),
        .query("limit", as: .integer("Entries in the page, 1 to \(EntryListResponse.maximumLimit). Default: 100.")),
        .query("all", as: .flag("All domains as JSON lines; limit has no effect.")),
    ]

    // MARK: Overrides

    private var overrides: [Route] {
        routes(for: .exempt, path: "/v1/exemptions", noun: "exemption", body: ExemptionRequest.schema) {
            request, domain, peer in
            let body = try await request.value(of: ExemptionRequest.self, timeout: bodyTimeout)
            return try await operations.exempt(domain, request: body, peer: peer)
        }
            + routes(for: .pin, path: "/v1/pins", noun: "pin", body: PinRequest.schema) { request, domain, peer in
                let body = try await request.value(of: PinRequest.self, timeout: bodyTimeout)
                return try await operations.pin(domain, request: body, peer: peer)
            }
    }

    private func routes(
        for kind: OverrideKind, path: String, noun: String, body: ObjectSchema,
        put: @escaping @Sendable (Request, String, Peer) async throws -> OverrideChangeResponse
    ) -> [Route] {
        let missing = [404: "The domain is not \(kind.participle)."]
        return [
            Route(
                method: .get, path: path, summary: "Every \(noun).", reply: .object(OverrideListResponse.schema)
            ) { request, _ in
                _ = try request.query([])
                return try AdminJSON.response(operations.overrides(kind))
            },
            Route(
                method: .get, path: "\(path)/{domain}", summary: "The \(noun) of one domain.", parameters: [.domain],
                reply: .object(OverrideResponse.schema), errors: missing
            ) { request, context in
                _ = try request.query([])
                return try AdminJSON.response(try operations.override(kind, of: context.parameters.text("domain")))
            },
            Route(
                method: .put, path: "\(path)/{domain}",
                summary: "Sets the \(noun) of one domain. It replaces any override of the domain.",
                parameters: [.domain], body: body, reply: .object(OverrideChangeResponse.schema),
                errors: [409: "There are too many overrides."]
            ) { request, context in
                _ = try request.query([])
                return try AdminJSON.response(
                    try await put(request, context.parameters.text("domain"), try await context.peer))
            },
            Route(
                method: .delete, path: "\(path)/{domain}",
                summary: "Removes the \(noun) of one domain. An override of the other kind stays.",
                parameters: [.domain], reply: .object(OverrideChangeResponse.schema), errors: missing
            ) { request, context in
                _ = try request.query([])
                let domain = context.parameters.text("domain")
                return try AdminJSON.response(
                    try await operations.remove(kind, of: domain, peer: try await context.peer))
            },
        ]
    }

    // MARK: Control

    private var control: [Route] {
        [
            Route(
                method: .get, path: "/v1/observe", summary: "Whether observe mode is on.",
                reply: .object(ObserveModeResponse.schema)
            ) { request, _ in
                _ = try request.query([])
                return try AdminJSON.response(ObserveModeResponse(operations.policies.observeMode))
            },
            Route(
                method: .put, path: "/v1/observe",
                summary: "Switches observe mode on or off, also for the time after a restart.",
                body: ObserveModeRequest.schema, reply: .object(ObserveModeResponse.schema),
                errors: [409: "The configuration switches it on."]
            ) { request, context in
                _ = try request.query([])
                let body = try await request.value(of: ObserveModeRequest.self, timeout: bodyTimeout)
                return try AdminJSON.response(
                    await operations.observe(body.observing, peer: try await context.peer))
            },
            Route(
                method: .post, path: "/v1/reload", summary: "Reads the configuration again, as SIGHUP does.",
                reply: .object(ReloadResponse.schema),
                errors: [409: "It has an error; the previous one stays in force."]
            ) { request, _ in
                _ = try request.query([])
                return try AdminJSON.response(await operations.reload())
            },
        ]
    }

    /// The route of the OpenAPI document.
    private var description: Route {
        Route(method: .get, path: "/openapi.json", summary: "This description.", reply: .openAPI) { request, _ in
            _ = try request.query([])
            return try AdminJSON.response(OpenAPI(routes: all, version: operations.dependencies.version))
        }
    }
}
