import Glibc

/// Messages for an address on which the daemon cannot listen.
package enum ListenAdvice {
    /// Returns why the daemon cannot listen on an address, and what to do.
    ///
    /// - Parameters:
    ///   - code: an errno.
    ///   - section: the section of the configuration that names the address.
    ///   - mayBePath: whether the address may also be the path of a unix socket.
    package static func text(for code: Int32, section: String, mayBePath: Bool) -> String {
        let text = String(cString: strerror(code))
        return switch code {
        case EADDRINUSE: "\(text); stop the other process or choose another port under \(section)"
        case EACCES: "\(text); a port below 1024 \(mayBePath ? "or this directory " : "")needs more rights"
        case ENOENT where mayBePath: "\(text); create the directory first"
        case EADDRNOTAVAIL: "\(text); this host does not have the address"
        default: text
        }
    }
}
