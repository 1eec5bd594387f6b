import AdminAPI
import ArgumentParser
import BridgeConfiguration
import TextFormats

struct CacheListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists the domains in the cache.",
        discussion: """
            Prints one line for each domain, sorted by name, at most --limit lines. --all prints every domain, \
            unsorted unless --sort is given. In a pipe, values are not shortened and times are absolute. --json prints \
            one object on each line. Policies that expire this week if nothing changes:
              sts-bridge cache list --failing --expiring 7d --sort expiry
            All domains with an enforced policy, one name on each line:
              sts-bridge cache list --state enforce --all | awk 'NR > 1 { print $1 }'
            """)

    @Argument(help: "Only domains that contain this text.") var text: String?
    @Option(
        name: [.long, .customLong("mode")],
        help: ArgumentHelp(
            "Only these states, separated by commas: \(EntryFormatter.states).", valueName: "state,…"),
        transform: Self.states)
    var state: [DomainState]?
    @Flag(help: "Only domains whose last TXT query or fetch failed.") var failing = false
    @Option(
        help: ArgumentHelp("Only policies that expire within this time, such as 12h or 7d.", valueName: "span"),
        transform: Self.span)
    var expiring: Duration?
    @Option(help: ArgumentHelp("domain, expiry, fetched, asked, or none (unsorted).", valueName: "order"))
    var sort: EntrySort?
    @Flag(help: "Reverse the order.") var reverse = false
    @Option(help: ArgumentHelp("Maximum number of lines.", valueName: "count")) var limit = 1_000
    @Flag(help: "List all domains, unsorted unless --sort is given.") var all = false
    @OptionGroup var options: OperatorOptions

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit must be 1 or more") }
    }

    func run() async throws {
        let (isComplete, remark) = try await options.request { client in
            let status = try await client.get(.status, as: StatusResponse.self)
            var printer = EntryListPrinter(now: status.now.time, json: options.json)
            defer { printer.finish() }
            let isComplete = all ? try await stream(client, to: &printer) : try await page(client, to: &printer)
            return (isComplete, printer.isEmpty ? Self.remark(domains: status.cache.domains) : nil)
        }
        if let remark { StandardError.write(remark) }
        if !isComplete {
            StandardError.write("more than \(limit) domains; use --all for all, or --limit \(limit * 10) for more")
        }
    }

    /// Explains an empty list.
    private static func remark(domains: Int) -> String {
        domains == 0
            ? "the cache is empty: Postfix has not looked up any domain" : "no match (\(domains) domains cached)"
    }

    private func stream(_ client: AdminClient, to printer: inout EntryListPrinter) async throws -> Bool {
        try await client.lines(endpoint(query: [("all", "true")]), of: EntrySummary.self) { try printer.add($0) }
        return true
    }

    private func page(_ client: AdminClient, to printer: inout EntryListPrinter) async throws -> Bool {
        var left = limit
        var after: String?
        repeat {
            let size = min(left, EntryListResponse.maximumLimit)
            let list: EntryListResponse = try await client.get(
                endpoint(query: [("limit", "\(size)"), ("after", after)]))
            for entry in list.entries { try printer.add(entry) }
            left -= list.entries.count
            after = list.next
        } while after != nil && left > 0
        return after == nil
    }

    private func endpoint(query: [(name: String, value: String?)]) -> AdminEndpoint {
        .entries(
            query: query + [
                ("state", state.map { $0.map(\.rawValue).joined(separator: ",") }),
                ("failing", failing ? "true" : nil),
                ("expiringWithin", expiring.map { "\($0.components.seconds)" }),
                ("text", text), ("sort", sort?.rawValue), ("descending", reverse ? "true" : nil),
            ])
    }

    private static func states(_ text: String) throws -> [DomainState] {
        try text.split(separator: ",", omittingEmptySubsequences: false).map { word in
            guard let state = DomainState(rawValue: String(word)) else {
                throw ValidationError("expected some of \(EntryFormatter.states)")
            }
            return state
        }
    }

    private static func span(_ text: String) throws -> Duration {
        guard let span = DurationFormat.parse(text) else {
            throw ValidationError("expected \(DurationFormat.expected)")
        }
        return span
    }
}

extension EntrySort: ExpressibleByArgument {}
