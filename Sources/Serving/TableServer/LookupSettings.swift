import PostfixTable

/// How lookups are served.
package struct LookupSettings: Equatable, Sendable {
    /// The longest time that Postfix waits for an answer. Then the answer is what is cached, or that nothing is known. Below
    /// Postfix's own limit of 100 s.
    package var deadline: Duration
    /// For tcp_table, and for socketmap names that choose no dialect.
    package var dialect: Dialect
    /// The largest dialect that the Postfix on this host understands; `nil` if unknown. For a warning about a map name that
    /// chooses a smaller one.
    package var understood: Dialect?
    /// The service names that a key may have in place of a port.
    package var services: ServiceTable
    /// Connections at the same time, of all listeners together.
    package var maximumConnections: Int
    /// Pending replies of a connection from which on it is not read. Postfix asks one at a time; 100 is for other clients.
    package var maximumPending: Int
    /// How long a refused client may take to read its error reply and close.
    package var lingering: Duration
    /// Permission bits of unix sockets.
    package var socketMode: UInt32
    /// The group of unix sockets, if it exists.
    package var socketGroup: String?

    package init(
        deadline: Duration = .seconds(20), dialect: Dialect = .classic, understood: Dialect? = nil,
        services: ServiceTable = .wellKnown,
        maximumConnections: Int = 10_000, maximumPending: Int = 100, lingering: Duration = .seconds(5),
        socketMode: UInt32 = 0o660,
        socketGroup: String? = "postfix"
    ) {
        self.deadline = deadline
        self.dialect = dialect
        self.understood = understood
        self.services = services
        self.maximumConnections = maximumConnections
        self.maximumPending = maximumPending
        self.lingering = lingering
        self.socketMode = socketMode
        self.socketGroup = socketGroup
    }
}
