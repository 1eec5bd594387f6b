import PostfixTable

/// The numbers by which lookups are served.
package struct LookupSettings: Equatable, Sendable {
    /// What Postfix waits for at most; then it hears what is held, or that nothing is known. Below Postfix's own 100 s.
    package var deadline: Duration
    /// For tcp_table, and socketmap names that choose none.
    package var dialect: Dialect
    /// All the words that the Postfix on this host knows; `nil`: not known. To tell of a map name that wastes them.
    package var understood: Dialect?
    /// The service names that a key may have in place of a port.
    package var services: ServiceTable
    /// Connections at once, all listeners together.
    package var maximumConnections: Int
    /// Replies owed on one connection before it is read no further. Postfix asks one at a time; 100 is for others.
    package var maximumPending: Int
    /// How long a refused peer may take to read its error reply and close.
    package var lingering: Duration
    /// Permission bits of unix sockets.
    package var socketMode: UInt32
    /// The group that unix sockets are given to, if it exists.
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
