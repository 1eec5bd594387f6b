/// The way to a unix socket as a process sees it: from its root or its working directory, one look a step.
package struct SocketPath: Equatable, Sendable {
    /// Directories, from where the process stands, and last the socket. The paths are this host's.
    package let steps: [(path: String, look: FileLook)]

    package init(steps: [(path: String, look: FileLook)]) {
        self.steps = steps
    }

    package static func == (one: SocketPath, other: SocketPath) -> Bool {
        one.steps.map(\.path) == other.steps.map(\.path) && one.steps.map(\.look) == other.steps.map(\.look)
    }

    /// - Parameter base: the directory that `path` begins at, absolute.
    init(_ path: String, from base: String) {
        var steps = [(path: base, look: FileLook.at(base))]
        for name in path.split(separator: "/") {
            let last = steps.last?.path ?? ""
            let next = last.hasSuffix("/") ? last + name : "\(last)/\(name)"
            steps.append((path: next, look: FileLook.at(next)))
        }
        self.steps = steps
    }

    /// Whether somebody may connect.
    package enum Access: Equatable, Sendable {
        case granted
        /// There is nothing at this place of this host.
        case missing(String)
        case notASocket(String)
        /// This step needs this right for others than its owner and group.
        case denied(String, FileFacts.Right, FileFacts)
        /// This step could not be looked at, or an access control list decides.
        case unknown(String)
    }

    /// What the modes say; connect(2) wants to search every directory and to write the socket.
    package func access(for account: Account) -> Access {
        for (index, step) in steps.enumerated() {
            let isLast = index == steps.count - 1
            switch step.look {
            case .missing: return .missing(step.path)
            case .hidden: return .unknown(step.path)
            case .found(let facts):
                if isLast, facts.kind != .socket { return .notASocket(step.path) }
                let right = isLast ? FileFacts.Right.write : .search
                switch facts.grants(right, to: account) {
                case true: continue
                case nil: return .unknown(step.path)
                case false: return .denied(step.path, right, facts)
                }
            }
        }
        return .granted
    }
}
