import MTASTS
import PolicyService

/// What the operator has ordered for one domain: an exemption, or a pin.
package struct Order: WireValue, Equatable {
    package let domain: String
    package let kind: String
    package let `as`: String?
    package let match: [String]?
    package let reason: String
    package let author: String
    package let since: Timestamp
    package let until: Timestamp?

    package static let exempt = "exempt"
    package static let pin = "pin"

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Order", "What the operator has ordered for one domain.",
            [
                .always("domain", .text("This one, not what is below it.")),
                .always("kind", .word([exempt, pin], "exempt: no policy is applied; pin: one always is.")),
                .sometimes("as", Exemption.answer),
                .sometimes("match", .list(.text("mx.example.com or *.example.com."), "The names of a pin.")),
                .always("reason", .text("Why, in the operator's words.")),
                .always("author", .text("The user who ordered it, as the kernel knows him.")),
                .always("since", .time("When it was ordered.")),
                .sometimes("until", .time("When it ends by itself.")),
            ])
    }
}

/// A request to exempt a domain.
package struct Exemption: WireValue, Equatable {
    package let reason: String
    package let until: Timestamp?
    package let `as`: String?

    package static let notFound = "not-found"
    package static let may = "may"

    package init(reason: String, until: Timestamp? = nil, as answer: String? = nil) {
        self.reason = reason
        self.until = until
        self.as = answer
    }

    static let answer = Schema.word(
        [notFound, may],
        "What Postfix is told of an exempted domain: nothing, or may, which also overrides its own level and DANE.")

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Exemption", "A domain to be exempted.",
            [
                .always("reason", .text("1 to \(DomainOverride.longestText) printable characters.")),
                .sometimes("until", .time("When it ends by itself; missing: when it is removed.")),
                .sometimes("as", answer),
            ])
    }
}

/// A request to pin a domain.
package struct Pin: WireValue, Equatable {
    package let reason: String
    package let until: Timestamp?
    package let match: [String]?

    package init(reason: String, until: Timestamp? = nil, match: [String]? = nil) {
        self.reason = reason
        self.until = until
        self.match = match
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Pin", "A domain to be pinned: its mail goes to authenticated hosts only.",
            [
                .always("reason", .text("1 to \(DomainOverride.longestText) printable characters.")),
                .sometimes("until", .time("When it ends by itself; missing: when it is removed.")),
                .sometimes(
                    "match",
                    .list(.text("mx.example.com or *.example.com."), "Names of its MX hosts; none: its policy's.")),
            ])
    }
}

/// All orders of one kind.
package struct OrderList: WireValue, Equatable {
    package let orders: [Order]

    package static var schema: ObjectSchema {
        ObjectSchema(
            "OrderList", "All orders of one kind, by domain.",
            [.always("orders", .list(.object(Order.schema), "Those in force."))])
    }
}

/// What became of an order, or of its removal. It is in force at once either way.
package struct OrderReceipt: WireValue, Equatable {
    package let order: Order
    package let replaced: Order?
    package let kept: Bool
    package let warning: String?

    package static var schema: ObjectSchema {
        ObjectSchema(
            "OrderReceipt", "An order that was taken, or removed; in force at once.",
            [
                .always("order", .object(Order.schema)),
                .sometimes("replaced", .object(Order.schema)),
                .always("kept", .flag("Whether it is written down; else a restart forgets it.")),
                .sometimes("warning", .text("Why it is not written down.")),
            ])
    }
}

extension Order {
    package init(_ order: DomainOverride) {
        domain = order.domain.name.text
        reason = order.reason
        author = order.author
        since = Timestamp(order.since)
        until = order.until.map(Timestamp.init)
        switch order.kind {
        case .exempt(let mayEncrypt):
            (kind, self.as, match) = (Self.exempt, mayEncrypt ? Exemption.may : Exemption.notFound, nil)
        case .pin(let names):
            (kind, self.as, match) = (Self.pin, nil, names.map(\.description))
        }
    }
}

extension OrderReceipt {
    init(_ order: DomainOverride, replacing old: DomainOverride? = nil, _ outcome: OrderOutcome) {
        self.order = Order(order)
        replaced = old.map(Order.init)
        (kept, warning) = outcome.receipt
    }
}

extension OrderOutcome {
    var receipt: (kept: Bool, warning: String?) {
        switch self {
        case .kept: (true, nil)
        case .inMemoryOnly(let reason): (false, Shown.text(reason))
        }
    }
}
