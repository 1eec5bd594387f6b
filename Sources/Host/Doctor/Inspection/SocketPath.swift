/// The path to a unix socket as a process sees it, from its root or working directory, with the status of each step.
package struct SocketPath: Equatable, Sendable {
    /// The directories from the base on, and last the socket. The paths are those of this host.
    package let steps: [(path: String, look: FileLookup)]

    package init(steps: [(path: String, look: FileLookup)]) {
        self.steps = steps
    }

    package static func == (one: SocketPath, other: SocketPath) -> Bool {
        one.steps.map(\.path) == other.steps.map(\.path) && one.steps.map(\.look) == other.steps.map(\.look)
    }

    /// - Parameter base: the absolute directory at which `path` begins.
    init(_ path: String, from base: String) {
        var steps = [(path: base, look: FileLookup.at(base))]
        for name in path.split(separator: "/") {
            let last = steps.last?.path ?? ""
            let next = last.hasSuffix("/") ? last + name : "\(last)/\(name)"
            steps.append((path: next, look: FileLookup.at(next)))
        }
        self.steps = steps
    }

    /// Whether a user may connect.
    package enum Access: Equatable, Sendable {
        case granted
        /// There is no file at this path of this host.
        case missing(String)
        case notASocket(String)
        /// The step does not grant this right.
        case denied(String, FileStatus.Right, FileStatus)
        /// The step is not accessible, or an access control list decides.
        case unknown(String)
    }

    /// Evaluates the modes: connect(2) needs to search every directory and to write the socket.
    package func access(for account: Account) -> Access {
        for (index, step) in steps.enumerated() {
            let isLast = index == steps.count - 1
            switch step.look {
            case .missing: return .missing(step.path)
            case .inaccessible: return .unknown(step.path)
            case .found(let facts):
                if isLast, facts.kind != .socket { return .notASocket(step.path) }
                let right = isLast ? FileStatus.Right.write : .search
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
