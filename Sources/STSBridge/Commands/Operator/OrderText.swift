import Admin
import PolicyService

/// Exemptions and pins for people.
enum OrderText {
    /// `exempted: Postfix is told nothing`, `pinned to mx.example.com`.
    static func summary(_ order: Order) -> String {
        if order.kind == Order.exempt {
            return order.as == Exemption.may ? "exempted: Postfix is told may" : "exempted: Postfix is told nothing"
        }
        let names = order.match ?? []
        return names.isEmpty ? "pinned to the names of its policy" : "pinned to \(names.joined(separator: ", "))"
    }

    static func added(_ receipt: OrderReceipt, now: WallTime) -> String {
        let order = receipt.order
        let end = order.until.map { "until \(TimeText.moment($0.time, seenFrom: now))" } ?? "until it is removed"
        let before = receipt.replaced.map { "\n(it was \(summary($0)); reason: \($0.reason))" } ?? ""
        return "\(order.domain) is \(summary(order)), \(end)\(before)"
    }

    static func removed(_ receipt: OrderReceipt) -> String {
        "\(receipt.order.domain) is no longer \(receipt.order.kind == Order.exempt ? "exempted" : "pinned")"
    }

    static func list(_ orders: [Order], now: WallTime, for terminal: Terminal) -> String {
        let columns = [
            TextTable.Column(title: "DOMAIN", least: 30), TextTable.Column(title: "ORDER", least: 9),
            TextTable.Column(title: "ENDS"), TextTable.Column(title: "REASON", least: 24),
            TextTable.Column(title: "AUTHOR", rank: 1), TextTable.Column(title: "SINCE", rank: 2),
        ]
        let moment = { (time: WallTime) in
            terminal.width == nil ? TimeText.moment(time) : TimeText.distance(to: time, from: now)
        }
        let rows = orders.map { order in
            [
                StyledText(order.domain), StyledText(words(for: order)),
                order.until.map { StyledText(moment($0.time), isSoon($0.time, now) ? .warning : .plain) }
                    ?? StyledText("-", .faint),
                StyledText(order.reason), StyledText(order.author), StyledText(moment(order.since.time)),
            ]
        }
        return TextTable.render(columns, rows, for: terminal)
    }

    private static func words(for order: Order) -> String {
        order.kind == Order.exempt
            ? order.as ?? "" : order.match.flatMap { $0.isEmpty ? nil : $0.joined(separator: ",") } ?? "policy"
    }

    private static func isSoon(_ time: WallTime, _ now: WallTime) -> Bool { time < now + .seconds(86_400) }
}
