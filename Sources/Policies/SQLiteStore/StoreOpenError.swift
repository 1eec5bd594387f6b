/// A store that must not be opened. Every other error is a `StoreError`, from which the daemon recovers.
package enum StoreOpenError: Error, Equatable, Sendable {
    /// A newer sts-bridge has written it.
    case newerSchema(path: String)
    /// There is no file to read.
    case missing(path: String)
    /// The file cannot be read. The reason is the whole text of a `StoreError`.
    case unreadable(reason: String)
}

extension StoreOpenError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .newerSchema(let path):
            "Cache file \(path) was written by a newer sts-bridge and is not changed. Upgrade sts-bridge, or move the "
                + "file away, or set cache.path to another file."
        case .missing(let path):
            "Cache file \(path) does not exist. Set cache.path to the file of a daemon that has run."
        case .unreadable(let reason): reason
        }
    }
}
