import AdminAPI
import MTASTS
import PolicyCaching
import TextFormats

/// Exemptions and pins: one override for each domain; a later one replaces the earlier.
extension AdminOperations {
    func overrides(_ kind: OverrideKind) -> OverrideListResponse {
        OverrideListResponse(
            overrides: policies.overrides().filter { OverrideKind($0.kind.category) == kind }.map(OverrideResponse.init)
        )
    }

    func override(_ kind: OverrideKind, of text: String) throws(AdminRequestError) -> OverrideResponse {
        OverrideResponse(try current(kind, of: try domain(text)))
    }

    func exempt(
        _ text: String, request: ExemptionRequest, peer: Peer
    ) async throws(AdminRequestError) -> OverrideChangeResponse {
        try await set(
            .exempt(mayEncrypt: request.as == .may), of: try domain(text), reason: request.reason,
            until: request.until, peer: peer)
    }

    func pin(
        _ text: String, request: PinRequest, peer: Peer
    ) async throws(AdminRequestError) -> OverrideChangeResponse {
        var names: [MXPattern] = []
        for name in request.match ?? [] {
            guard let pattern = MXPattern(name.lowercased()) else {
                throw AdminRequestError(
                    .badRequest, error: "\"\(UntrustedText.escaped(name))\" is not a name of an MX host",
                    hint: "give names like mx.example.com or *.example.com")
            }
            names.append(pattern)
        }
        return try await set(
            .pin(names), of: try domain(text), reason: request.reason, until: request.until, peer: peer)
    }

    /// Removes an override of this kind only: one of the other kind that was set in between stays.
    func remove(
        _ kind: OverrideKind, of text: String, peer: Peer
    ) async throws(AdminRequestError) -> OverrideChangeResponse {
        let domain = try domain(text)
        _ = try current(kind, of: domain)
        let (removal, change) = await policies.removeOverride(
            of: domain, category: Override.Category(kind), author: peer.author)
        guard let removed = removal.removed else { throw missing(kind, of: domain) }
        return OverrideChangeResponse(removed, change: change)
    }

    private func set(
        _ kind: Override.Kind, of domain: PolicyDomain, reason: String, until: Timestamp?, peer: Peer
    ) async throws(AdminRequestError) -> OverrideChangeResponse {
        let override: Override
        do {
            override = try Override(
                domain: domain, kind: kind, reason: reason, author: peer.author, since: dependencies.now(),
                until: until?.time)
        } catch {
            throw AdminRequestError(.badRequest, error: "\(error)")
        }
        let replaced = policies.overrides().first { $0.domain == domain }
        do {
            return OverrideChangeResponse(override, replaced: replaced, change: try await policies.set(override))
        } catch {
            throw AdminRequestError(.conflict, error: "\(error)")
        }
    }

    private func current(_ kind: OverrideKind, of domain: PolicyDomain) throws(AdminRequestError) -> Override {
        guard let override = policies.overrides().first(where: { $0.domain == domain }),
            OverrideKind(override.kind.category) == kind
        else { throw missing(kind, of: domain) }
        return override
    }

    private func missing(_ kind: OverrideKind, of domain: PolicyDomain) -> AdminRequestError {
        let other = policies.overrides().first { $0.domain == domain }.map { OverrideKind($0.kind.category) }
        return AdminRequestError(
            .notFound, error: "\(domain) is not \(kind.participle)",
            hint: other.flatMap { $0 == kind ? nil : "it is \($0.participle)" })
    }
}

extension OverrideKind {
    /// For sentences.
    var participle: String {
        switch self {
        case .exempt: "exempted"
        case .pin: "pinned"
        }
    }
}
