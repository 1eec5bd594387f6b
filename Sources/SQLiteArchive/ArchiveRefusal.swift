/// Why an archive must not be opened at all; everything else that is wrong with one is an `ArchiveFailure`, from which
/// the daemon recovers.
package enum ArchiveRefusal: Error, Equatable, Sendable {
    /// Another process writes it. `pid`: what the lock file says, if it says anything; `isLeaving`: that it was told to end.
    case inUse(path: String, pid: Int32?, isLeaving: Bool = false)
    /// Another process writes it, and a third one waits to follow that. `pid`: of the one that waits.
    case awaited(path: String, pid: Int32?)
    /// A newer sts-bridge has written it.
    case newerSchema(path: String)
    /// To be read only: there is no such file.
    case missing(path: String)
    /// To be read only, and it cannot be read. The reason in full, as an `ArchiveFailure` says it.
    case unreadable(reason: String)
}

extension ArchiveRefusal {
    package var isInUse: Bool {
        guard case .inUse = self else { return false }
        return true
    }

    /// Who is in the way was told to end.
    package var isLeaving: Bool {
        guard case .inUse(_, _, let isLeaving) = self else { return false }
        return isLeaving
    }
}

extension ArchiveRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .inUse(let path, let pid, _):
            "Cache file \(path) is in use by another process\(pid.map { " (pid \($0))" } ?? ""). Stop that one, or set "
                + "cache.path to another file."
        case .awaited(let path, let pid):
            "Cache file \(path) is in use, and another process\(pid.map { " (pid \($0))" } ?? "") waits already to take it "
                + "over. Stop one of them, or set cache.path to another file."
        case .newerSchema(let path):
            "Cache file \(path) was written by a newer sts-bridge and is not touched. Upgrade sts-bridge, or move the "
                + "file away, or set cache.path to another file."
        case .missing(let path):
            "Cache file \(path) does not exist. Set cache.path to the file of a daemon that has run."
        case .unreadable(let reason): reason
        }
    }
}
