import AdminAPI
import ArgumentParser
import TextFormats

/// The parts that `exempt` and `pin` share.
enum OverrideCommands {
    static func add(
        _ endpoint: AdminEndpoint, body: some APIModel, options: OperatorOptions
    ) async throws {
        let change: OverrideChangeResponse = try await options.request { try await $0.put(endpoint, body: body) }
        try options.show(change) { change, _ in OverrideFormatter.added(change, now: .current) }
        warn(change)
    }

    /// - Parameter remark: printed for an empty list.
    static func list(_ endpoint: AdminEndpoint, options: OperatorOptions, remark: String) async throws {
        let list: OverrideListResponse = try await options.request { try await $0.get(endpoint) }
        try options.show(list) { list, terminal in
            list.overrides.isEmpty ? remark : OverrideFormatter.list(list.overrides, now: .current, for: terminal)
        }
    }

    static func remove(_ endpoint: AdminEndpoint, options: OperatorOptions) async throws {
        let change: OverrideChangeResponse = try await options.request { try await $0.delete(endpoint) }
        try options.show(change) { change, _ in OverrideFormatter.removed(change) }
        warn(change)
    }

    private static func warn(_ change: OverrideChangeResponse) {
        guard !change.saved else { return }
        StandardError.write(notSaved(because: change.warning ?? ""))
    }

    static func notSaved(because reason: String) -> String {
        "in force now, but not saved: a restart loses it: \(reason)"
    }

    /// - Throws: `CommandError` for a time in the past.
    static func timestamp(_ until: ExpiryArgument?) throws(CommandError) -> Timestamp? {
        guard let until else { return nil }
        return Timestamp(try until.moment(now: .current))
    }
}

/// The reason for an override, and its end.
struct OverrideOptions: ParsableArguments {
    @Option(help: "Reason, shown in lists and in the log.") var reason: String
    @Option(
        help: ArgumentHelp(
            "When it ends by itself: \(ExpiryArgument.expected). Default: when it is removed.", valueName: "time"),
        transform: ExpiryArgument.parse)
    var until: ExpiryArgument?
}
