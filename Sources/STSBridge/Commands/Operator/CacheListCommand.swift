import Admin
import ArgumentParser
import PolicyService

struct CacheListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Lists the domains that the daemon remembers.",
        discussion: """
            One line a domain, sorted by its name, at most --limit of them; --all lists every one, as they lie in \
            memory, and holds none back however many there are. In a pipe every value stands in full, and times are \
            moments; --json prints one object a line. What will stop being enforced this week, if nobody mends it:
              sts-bridge cache list --failing --expiring 7d --sort expiry
            Whom we enforce, one name a line:
              sts-bridge cache list --state enforce --all | awk 'NR > 1 { print $1 }'
            """)

    @Argument(help: "Only domains that contain this.") var text: String?
    @Option(
        name: [.long, .customLong("mode")],
        help: ArgumentHelp(
            "Only these states, separated by commas: \(EntryText.states.joined(separator: ", ")).", valueName: "state,…"
        ),
        transform: Self.states)
    var state: [EntryState]?
    @Flag(help: "Only domains whose last TXT query or fetch failed.") var failing = false
    @Option(
        help: ArgumentHelp("Only policies that end within this time, such as 12h or 7d.", valueName: "span"),
        transform: Self.span)
    var expiring: Duration?
    @Option(
        help: ArgumentHelp("By domain, expiry, fetched, asked, or none: as they lie in memory.", valueName: "order"))
    var sort: Order?
    @Flag(help: "The other way round.") var reverse = false
    @Option(help: ArgumentHelp("Lines at most.", valueName: "count")) var limit = 1_000
    @Flag(help: "Every domain, however many there are; unsorted unless told.") var all = false
    @OptionGroup var options: OperatorOptions

    enum Order: String, ExpressibleByArgument, CaseIterable {
        case domain, expiry, fetched, asked, none
    }

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit must be 1 or more") }
    }

    func run() async throws {
        let (isComplete, nothing) = try await options.ask { client in
            let status = try await client.get(.status, as: Status.self)
            var output = EntryOutput(now: status.now.time, json: options.json)
            defer { output.finish() }
            let isComplete = all ? try await stream(client, to: &output) : try await page(client, to: &output)
            return (isComplete, output.isEmpty ? Self.nothing(of: status.cache.domains) : nil)
        }
        if let nothing { StandardError.tell(nothing) }
        if !isComplete { StandardError.tell("more than \(limit); --all lists all, --limit \(limit * 10) more") }
    }

    /// What there is to say of an empty list.
    private static func nothing(of domains: Int) -> String {
        domains == 0
            ? "nothing is remembered yet: Postfix has asked for no domain" : "none of \(domains) domains is such"
    }

    private func stream(_ client: AdminClient, to output: inout EntryOutput) async throws -> Bool {
        try await client.lines(target(query: [("all", "true")]), of: EntryLine.self) { try output.add($0) }
        return true
    }

    private func page(_ client: AdminClient, to output: inout EntryOutput) async throws -> Bool {
        var left = limit
        var after: String?
        repeat {
            let size = min(left, EntryQuery.maximumLimit)
            let list: EntryList = try await client.get(target(query: [("limit", "\(size)"), ("after", after)]))
            for entry in list.entries { try output.add(entry) }
            left -= list.entries.count
            after = list.next
        } while after != nil && left > 0
        return after == nil
    }

    private func target(query: [(name: String, value: String?)]) -> Target {
        Target(
            "/v1/entries",
            query: query + [
                ("state", state.map { $0.map(\.rawValue).joined(separator: ",") }),
                ("failing", failing ? "true" : nil),
                ("expiringWithin", expiring.map { "\($0.components.seconds)" }),
                ("text", text), ("sort", sort?.rawValue), ("descending", reverse ? "true" : nil),
            ])
    }

    private static func states(_ text: String) throws -> [EntryState] {
        try text.split(separator: ",", omittingEmptySubsequences: false).map { word in
            guard let state = EntryState(rawValue: String(word)) else {
                throw ValidationError("expected some of \(EntryText.states.joined(separator: ", "))")
            }
            return state
        }
    }

    private static func span(_ text: String) throws -> Duration {
        guard let span = DurationText.parse(text) else { throw ValidationError("expected \(DurationText.expected)") }
        return span
    }
}

/// Lines as they come: the first ones settle the columns, so that a list of any length is printed while it arrives.
struct EntryOutput {
    private let now: WallTime
    private let json: Bool
    private let terminal = Terminal.standardOutput
    private var table: TextTable
    private var waiting: [EntryLine] = []
    private var hasBegun = false
    private var count = 0

    var isEmpty: Bool { count == 0 }

    /// Rows by which the columns are settled, and after which is seen whether anybody reads.
    private static let sample = 500

    init(now: WallTime, json: Bool) {
        self.now = now
        self.json = json
        table = TextTable(EntryText.columns, for: terminal)
    }

    /// - Throws: `CommandFailure` when what was printed cannot be written.
    mutating func add(_ line: EntryLine) throws {
        count += 1
        if count.isMultiple(of: Self.sample) { try StandardOutput.flush() }
        if json { return print(try JSONText.line(line)) }
        waiting.append(line)
        if hasBegun || waiting.count >= Self.sample { flush() }
    }

    mutating func finish() {
        if !json { flush() }
    }

    private mutating func flush() {
        let rows = waiting.map { EntryText.cells($0, now: now, for: terminal) }
        waiting.removeAll()
        if !hasBegun { print(table.head(above: rows)) }
        hasBegun = true
        for row in rows { print(table.line(row)) }
    }
}
