import Admin
import ArgumentParser
import PolicyService

/// What exempting and pinning share.
enum OrderCommands {
    static func add(_ target: Target, _ body: some WireValue, _ options: OperatorOptions) async throws {
        let receipt: OrderReceipt = try await options.ask { try await $0.put(target, body) }
        try options.show(receipt) { receipt, _ in OrderText.added(receipt, now: .current) }
        warn(receipt)
    }

    /// - Parameter nothing: what there is to say where the list is empty.
    static func list(_ target: Target, _ options: OperatorOptions, nothing: String) async throws {
        let list: OrderList = try await options.ask { try await $0.get(target) }
        try options.show(list) { list, terminal in
            list.orders.isEmpty ? nothing : OrderText.list(list.orders, now: .current, for: terminal)
        }
    }

    static func remove(_ target: Target, _ options: OperatorOptions) async throws {
        let receipt: OrderReceipt = try await options.ask { try await $0.delete(target) }
        try options.show(receipt) { receipt, _ in OrderText.removed(receipt) }
        warn(receipt)
    }

    private static func warn(_ receipt: OrderReceipt) {
        guard !receipt.kept else { return }
        StandardError.tell("in force now, but not written down, so a restart forgets it: \(receipt.warning ?? "")")
    }

    /// - Throws: `CommandFailure` for a moment that has passed.
    static func moment(_ until: UntilText?) throws(CommandFailure) -> Timestamp? {
        guard let until else { return nil }
        return Timestamp(try until.moment(now: .current))
    }
}

/// Why, and for how long.
struct OrderOptions: ParsableArguments {
    @Option(help: "Why: you will want to know when you find it in a year.") var reason: String
    @Option(
        help: ArgumentHelp(
            "When it ends by itself: \(UntilText.expected). Default: when it is removed.", valueName: "time"),
        transform: UntilText.parse)
    var until: UntilText?
}
