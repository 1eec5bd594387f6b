/// The open sockets of questions with their state.
///
/// A new socket may get the index of a closed one. The token of an event shows whether it belongs to the same socket.
struct SocketTable {
    enum Kind {
        case datagram
        /// `unsent` is empty when the request is sent.
        case stream(unsent: ArraySlice<UInt8>, received: [UInt8])
    }

    struct Entry {
        let socket: DNSSocket
        let question: QuestionID
        let server: ServerPool.ServerID
        /// The identifier of the query on this socket.
        let queryID: UInt16
        var kind: Kind
        fileprivate(set) var token: Poller.Token = 0
    }

    private var entries: [Entry?] = []
    private var generations: [UInt32] = []
    private var free: [Int] = []
    private(set) var count = 0

    /// `nil` if the socket is closed.
    subscript(index: Int) -> Entry? {
        get { entries[index] }
        set { entries[index] = newValue }
    }

    /// - Returns: The index, and the token for the poller.
    mutating func insert(_ entry: Entry) -> (index: Int, token: Poller.Token) {
        count += 1
        let index: Int
        if let last = free.popLast() {
            index = last
            generations[index] &+= 1
        } else {
            index = entries.count
            entries.append(nil)
            generations.append(0)
        }
        let token = UInt64(generations[index] & 0x7FFF_FFFF) << 32 | UInt64(index)
        entries[index] = entry
        entries[index]?.token = token
        return (index, token)
    }

    /// Closes the socket.
    mutating func remove(_ index: Int) {
        guard let entry = entries[index] else { return }
        entry.socket.close()
        entries[index] = nil
        free.append(index)
        count -= 1
    }

    /// `nil` if the socket is closed.
    func index(of token: Poller.Token) -> Int? {
        let index = Int(token & 0xFFFF_FFFF)
        guard entries.indices.contains(index), entries[index]?.token == token else { return nil }
        return index
    }
}
