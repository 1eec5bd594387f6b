import Foundation
import Glibc
import Logging
import Synchronization
import UnixSockets

/// Where the operator's API listens: a unix socket, for its owner, root and at most one group.
///
/// It is made in a directory of its own that nobody else may enter, gets its group and mode there, and moves to its name
/// complete: at no time is it open to more. (A umask would do as well, but it is the whole process's.)
/// Concurrency: any thread.
package final class AdminSocket: Sendable {
    private struct State {
        var rights: SocketRights
        /// The socket that stands at `path`; `nil`: none of ours was there yet.
        var file: FileIdentity?
        /// Streams that get an element for each `update`, by their numbers.
        var observers: [UInt64: AsyncStream<Void>.Continuation] = [:]
        var lastObserver: UInt64 = 0
    }

    /// Absolute.
    package let path: String
    private let state: Mutex<State>

    /// The longest path in octets that fits into `sockaddr_un` with its final NUL (unix(7)), less what the directory
    /// that it is made in adds.
    package static let maximumPath = 107 - directoryPattern.utf8.count - socketName.utf8.count

    private static let directoryPattern = ".XXXXXX/"
    private static let socketName = "s"

    /// - Parameter group: who may connect besides the owner and root; `nil`: nobody.
    package init(path: String, group: String?) {
        self.path = path
        state = Mutex(State(rights: Self.rights(group)))
    }

    private static func rights(_ group: String?) -> SocketRights {
        SocketRights(mode: group == nil ? 0o600 : 0o660, group: group)
    }

    /// From now on this group may connect, and no other; also sets right what was changed on disk. Does nothing to a file that
    /// is not our socket. A socket that is missing is made again at once.
    package func update(group: String?, logger: Logger) {
        let (rights, file, observers) = state.withLock { state in
            state.rights = Self.rights(group)
            return (state.rights, state.file, state.observers.values)
        }
        defer { for observer in observers { observer.yield() } }
        guard let file, FileIdentity(path) == file else { return }
        do {
            try apply(rights, to: path, logger: logger)
        } catch {
            logger.warning(
                "cannot set the mode of the admin socket",
                metadata: ["path": "\(path)", "error": "\(String(cString: strerror(error.code)))"])
        }
    }

    /// Has an element for each `update` from now on; several that nobody waited for are one.
    func updates() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let number = state.withLock { state in
            state.lastObserver += 1
            state.observers[state.lastObserver] = continuation
            return state.lastObserver
        }
        continuation.onTermination = { [weak self] _ in self?.state.withLock { $0.observers[number] = nil } }
        return stream
    }

    /// Whether the socket's file was removed or replaced, so that no client can come any more.
    var hasLostFile: Bool {
        guard let file = state.withLock(\.file) else { return false }
        return switch FileLook.at(path) {
        case .found(let found): found != file
        case .missing: true
        case .failed: false
        }
    }

    /// Where the socket is to be bound, before `settle` moves it to its name.
    struct Place {
        fileprivate let directory: String
        var path: String { "\(directory)/\(AdminSocket.socketName)" }
    }

    /// - Throws: `AdminSocketFailure` when another process answers at `path`, a file that is no socket is in the way, or
    ///   the directory is not ours to write.
    func prepare() throws(AdminSocketFailure) -> Place {
        try refuseIfTaken()
        var template = Array((path + Self.directoryPattern.dropLast()).utf8CString)
        guard mkdtemp(&template) != nil else { throw failure(.system(errno)) }
        return Place(directory: String(decoding: template.dropLast().map(UInt8.init), as: UTF8.self))
    }

    /// Gives the bound socket its group and mode, and its name.
    func settle(_ place: Place, logger: Logger) throws(AdminSocketFailure) {
        do {
            try apply(state.withLock(\.rights), to: place.path, logger: logger)
        } catch {
            throw failure(.system(error.code))
        }
        // Before it has its name, under which another process may remove or replace it.
        guard let file = FileIdentity(place.path) else { throw failure(.system(ENOENT)) }
        guard rename(place.path, path) == 0 else { throw failure(.system(errno)) }
        rmdir(place.directory)
        state.withLock { $0.file = file }
    }

    /// Leaves nothing behind of a socket that never got its name.
    func abandon(_ place: Place) {
        unlink(place.path)
        rmdir(place.directory)
    }

    /// Removes the socket, if it is still the same one.
    func remove() {
        let file = state.withLock { state in
            defer { state.file = nil }
            return state.file
        }
        if let file, FileIdentity(path) == file { unlink(path) }
    }

    /// A group that does not exist, or that this user may not give, is a warning: nobody but the owner and root may connect
    /// then.
    private func apply(_ rights: SocketRights, to path: String, logger: Logger) throws(SocketRights.Failure) {
        let name = "\(self.path)"
        switch try rights.apply(to: path) {
        case nil: break
        case .noSuchGroup:
            logger.warning(
                "group of the admin socket does not exist, only root and its owner may connect: set admin.socket-group",
                metadata: ["path": "\(name)", "group": "\(rights.group ?? "")"])
        case .notGiven(let code):
            logger.warning(
                "admin socket not given to its group, only root and its owner may connect: run as root or as a member of it",
                metadata: [
                    "path": "\(name)", "group": "\(rights.group ?? "")",
                    "error": "\(String(cString: strerror(code)))",
                ])
        }
    }

    /// A socket that somebody answers at is not ours to replace, nor is a file that is no socket.
    private func refuseIfTaken() throws(AdminSocketFailure) {
        guard path.utf8.count <= Self.maximumPath else { throw failure(.system(ENAMETOOLONG)) }
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else { throw failure(.notASocket) }
        // Not blocking: one whose queue is full is alive too.
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { throw failure(.system(errno)) }
        defer { close(probe) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(probe, $0, length) }
        }
        if result == 0 || errno == EAGAIN { throw failure(.alreadyServed) }
    }

    private func failure(_ reason: AdminSocketFailure.Reason) -> AdminSocketFailure {
        AdminSocketFailure(path: path, reason: reason)
    }
}

/// Why there is no admin socket.
package struct AdminSocketFailure: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Reason: Equatable, Sendable {
        case system(Int32)
        case alreadyServed
        case notASocket
    }

    package let path: String
    package let reason: Reason

    /// What is the matter, and what to do.
    package var description: String {
        let cause =
            switch reason {
            case .alreadyServed: "another process serves it; stop that one, or set admin.socket to another path"
            case .notASocket: "a file that is no socket is in the way; remove it, or set admin.socket to another path"
            case .system(let code): "\(String(cString: strerror(code)))\(Self.remedy(code))"
            }
        return "\(path): \(cause)"
    }

    private static func remedy(_ code: Int32) -> String {
        switch code {
        case ENOENT: "; create its directory, or set admin.socket to another path"
        case EACCES, EPERM, EROFS: "; let this user write the directory, or set admin.socket to another path"
        case ENAMETOOLONG: "; a socket's path has at most \(AdminSocket.maximumPath) octets"
        default: ""
        }
    }
}
