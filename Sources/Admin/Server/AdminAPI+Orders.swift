import MTASTS
import PolicyService

/// Exemptions and pins: one order a domain, the later one replaces the earlier.
extension AdminAPI {
    enum Kind: String {
        case exemption = "exempted"
        case pin = "pinned"

        func covers(_ order: DomainOverride) -> Bool {
            switch order.kind {
            case .exempt: self == .exemption
            case .pin: self == .pin
            }
        }

        fileprivate var other: Kind { self == .exemption ? .pin : .exemption }
    }

    func orders(_ kind: Kind) -> OrderList {
        OrderList(orders: policies.overrides().filter(kind.covers).map(Order.init))
    }

    func order(_ kind: Kind, _ text: String) throws(Refusal) -> Order {
        Order(try inForce(kind, try domain(text)))
    }

    func exempt(_ text: String, _ exemption: Exemption, by peer: Peer) async throws(Refusal) -> OrderReceipt {
        let mayEncrypt: Bool
        switch exemption.as {
        case nil, Exemption.notFound: mayEncrypt = false
        case Exemption.may: mayEncrypt = true
        case .some(let word):
            throw Refusal(
                .badRequest, "as is \"\(Shown.text(word))\"", hint: "expected \(Exemption.notFound) or \(Exemption.may)"
            )
        }
        return try await give(
            .exempt(mayEncrypt: mayEncrypt), to: try domain(text), reason: exemption.reason, until: exemption.until,
            by: peer)
    }

    func pin(_ text: String, _ pin: Pin, by peer: Peer) async throws(Refusal) -> OrderReceipt {
        var names: [MXPattern] = []
        for name in pin.match ?? [] {
            guard let pattern = MXPattern(name.lowercased()) else {
                throw Refusal(
                    .badRequest, "\"\(RemoteText.escaped(name))\" is no name of an MX host",
                    hint: "give names like mx.example.com or *.example.com")
            }
            names.append(pattern)
        }
        return try await give(.pin(names), to: try domain(text), reason: pin.reason, until: pin.until, by: peer)
    }

    func remove(_ kind: Kind, _ text: String, by peer: Peer) async throws(Refusal) -> OrderReceipt {
        let domain = try domain(text)
        _ = try inForce(kind, domain)
        let (removed, outcome) = await policies.removeOverride(of: domain, author: peer.author)
        guard let removed else { throw none(kind, domain) }
        return OrderReceipt(removed, outcome)
    }

    private func give(
        _ kind: DomainOverride.Kind, to domain: PolicyDomain, reason: String, until: Timestamp?, by peer: Peer
    ) async throws(Refusal) -> OrderReceipt {
        let order: DomainOverride
        do {
            order = try DomainOverride(
                domain: domain, kind: kind, reason: reason, author: peer.author, since: seams.now(), until: until?.time)
        } catch {
            throw Refusal(.badRequest, "\(error)")
        }
        let old = policies.overrides().first { $0.domain == domain }
        do {
            return OrderReceipt(order, replacing: old, try await policies.order(order))
        } catch {
            throw Refusal(.conflict, "\(error)")
        }
    }

    private func inForce(_ kind: Kind, _ domain: PolicyDomain) throws(Refusal) -> DomainOverride {
        guard let order = policies.overrides().first(where: { $0.domain == domain }), kind.covers(order) else {
            throw none(kind, domain)
        }
        return order
    }

    private func none(_ kind: Kind, _ domain: PolicyDomain) -> Refusal {
        let isOther = policies.overrides().contains { $0.domain == domain && kind.other.covers($0) }
        return Refusal(
            .notFound, "\(domain) is not \(kind.rawValue)", hint: isOther ? "it is \(kind.other.rawValue)" : nil)
    }
}
