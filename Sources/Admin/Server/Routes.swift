import Hummingbird
import PolicyService

/// Every route there is. The router and `/openapi.json` are made of this list, so neither has one that the other lacks.
struct Routes: Sendable {
    private let api: AdminAPI
    /// The time in which a request's body must have come.
    private let bodyLimit: Duration

    init(_ api: AdminAPI, bodyLimit: Duration) {
        self.api = api
        self.bodyLimit = bodyLimit
    }

    var all: [Route] { seeing + cache + orders + steering + [description] }

    private static let unknownDomain = [404: "The domain is not in the cache."]

    // MARK: Seeing

    private var seeing: [Route] {
        [
            Route(
                method: .get, path: "/v1/status", summary: "How the daemon is.", reply: .object(Status.schema)
            ) { request, _ in
                _ = try request.query([])
                return try AdminJSON.response(await api.status())
            },
            Route(
                method: .get, path: "/v1/explain/{key}",
                summary: "What Postfix is told now, why, and what happens next.",
                parameters: [
                    .path("key", "As Postfix sends it: a domain, host:port, [host]:port; percent-encoded."),
                    .query("live", .flag("Put a fresh discovery beside it, and name the differences.")),
                ], reply: .object(Explained.schema)
            ) { request, context in
                let isLive = try request.query(["live"]).flag("live")
                return try AdminJSON.response(await api.explain(context.parameters.text("key"), live: isLive))
            },
        ]
    }

    // MARK: The cache

    private var cache: [Route] {
        [
            Route(
                method: .get, path: "/v1/entries", summary: "The domains in memory.", parameters: Self.filters,
                reply: .objectOrLines(EntryList.schema, EntryLine.schema)
            ) { request, _ in
                let texts = try request.query(QueryText.forEntries)
                let query = try texts.entries()
                guard try texts.flag("all") else { return try AdminJSON.response(await api.list(query)) }
                return Response(
                    status: .ok, headers: [.contentType: "application/jsonl"],
                    body: EntryStream(parts: api.policies.list(query)).body)
            },
            Route(
                method: .get, path: "/v1/entries/{domain}", summary: "What is remembered of one domain.",
                parameters: [.domain], reply: .object(Entry.schema),
                refusals: Self.unknownDomain.merging([503: "The file cannot be read."]) { $1 }
            ) { request, context in
                _ = try request.query([])
                return try AdminJSON.response(await api.entry(context.parameters.text("domain")))
            },
            Route(
                method: .post, path: "/v1/entries/{domain}/refresh",
                summary: "Asks for the record and fetches the policy now, whatever TTL, id and back-off say.",
                parameters: [.domain], reply: .object(Refreshed.schema)
            ) { request, context in
                _ = try request.query([])
                return try AdminJSON.response(await api.refresh(context.parameters.text("domain")))
            },
            Route(
                method: .delete, path: "/v1/entries/{domain}",
                summary: "Forgets one domain, in memory and in the file; orders stay.", parameters: [.domain],
                reply: .object(Forgotten.schema), refusals: Self.unknownDomain
            ) { request, context in
                _ = try request.query([])
                return try AdminJSON.response(await api.forget(context.parameters.text("domain")))
            },
        ]
    }

    private static let filters: [Route.Parameter] = [
        .query("state", .text("Only these states, separated by commas.")),
        .query("failing", .flag("Only those whose last TXT query or fetch failed.")),
        .query("expiringWithin", .whole("Only living policies that end within so many seconds.")),
        .query("text", .text("Only domains that contain this.")),
        .query("sort", .word(EntryQuery.Order.allCases.map(\.rawValue), "By domain unless told; none: as they lie.")),
        .query("descending", .flag("The other way round.")),
        .query("after", .text("The value of next in the part before.")),
        .query("limit", .whole("Entries in the part, 1 to \(EntryQuery.maximumLimit); 100 unless told.")),
        .query("all", .flag("All of them, as JSON lines, unsorted unless told; limit plays no part.")),
    ]

    // MARK: Orders

    private var orders: [Route] {
        routes(for: .exemption, path: "/v1/exemptions", noun: "exemption", body: Exemption.schema) {
            request, domain, peer in
            try await api.exempt(domain, try await request.value(of: Exemption.self, within: bodyLimit), by: peer)
        }
            + routes(for: .pin, path: "/v1/pins", noun: "pin", body: Pin.schema) { request, domain, peer in
                try await api.pin(domain, try await request.value(of: Pin.self, within: bodyLimit), by: peer)
            }
    }

    private func routes(
        for kind: AdminAPI.Kind, path: String, noun: String, body: ObjectSchema,
        put: @escaping @Sendable (Request, String, Peer) async throws -> OrderReceipt
    ) -> [Route] {
        let none = [404: "The domain is not \(kind.rawValue)."]
        return [
            Route(method: .get, path: path, summary: "Every \(noun).", reply: .object(OrderList.schema)) { request, _ in
                _ = try request.query([])
                return try AdminJSON.response(api.orders(kind))
            },
            Route(
                method: .get, path: "\(path)/{domain}", summary: "The \(noun) of one domain.", parameters: [.domain],
                reply: .object(Order.schema), refusals: none
            ) { request, context in
                _ = try request.query([])
                return try AdminJSON.response(try api.order(kind, context.parameters.text("domain")))
            },
            Route(
                method: .put, path: "\(path)/{domain}",
                summary: "Orders the \(noun) of one domain, in place of any order that it has.", parameters: [.domain],
                body: body, reply: .object(OrderReceipt.schema), refusals: [409: "There are too many orders."]
            ) { request, context in
                _ = try request.query([])
                return try AdminJSON.response(
                    try await put(request, context.parameters.text("domain"), try await context.peer))
            },
            Route(
                method: .delete, path: "\(path)/{domain}", summary: "Takes the \(noun) of one domain back.",
                parameters: [.domain], reply: .object(OrderReceipt.schema), refusals: none
            ) { request, context in
                _ = try request.query([])
                return try AdminJSON.response(
                    try await api.remove(kind, context.parameters.text("domain"), by: try await context.peer))
            },
        ]
    }

    // MARK: Steering

    private var steering: [Route] {
        [
            Route(
                method: .get, path: "/v1/observe", summary: "Whether observe mode is on.",
                reply: .object(Observation.schema)
            ) { request, _ in
                _ = try request.query([])
                return try AdminJSON.response(Observation(api.policies.observing))
            },
            Route(
                method: .put, path: "/v1/observe", summary: "Switches observe mode on or off; it outlives the daemon.",
                body: ObservationOrder.schema, reply: .object(Observation.schema),
                refusals: [409: "The configuration has it on."]
            ) { request, context in
                _ = try request.query([])
                let order = try await request.value(of: ObservationOrder.self, within: bodyLimit)
                return try AdminJSON.response(await api.observe(order.observing, by: try await context.peer))
            },
            Route(
                method: .post, path: "/v1/reload", summary: "Reads the configuration again, as SIGHUP does.",
                reply: .object(Reloaded.schema), refusals: [409: "It is wrong; the old one stays in force."]
            ) { request, _ in
                _ = try request.query([])
                return try AdminJSON.response(await api.reload())
            },
        ]
    }

    /// The list describes itself too.
    private var description: Route {
        Route(method: .get, path: "/openapi.json", summary: "This description.", reply: .openAPI) { request, _ in
            _ = try request.query([])
            return try AdminJSON.response(OpenAPI(routes: all, version: api.seams.version))
        }
    }
}
