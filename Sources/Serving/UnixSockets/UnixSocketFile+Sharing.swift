import Glibc
import LocalSystem

/// Several processes at one path. The path leads to the socket that was bound last. Each earlier socket that is in use has a
/// second name beside the path, which the later process gave it.
extension UnixSocketFile {
    /// Renames a new socket to the path. If a process listens on the socket there, that gets a second name first.
    package func replace(with new: UnixSocketFile) throws(SystemCallError) {
        try exclusively { _ throws(SystemCallError) in
            // Without a second name the earlier process does not get the path back. It then binds it again by itself.
            let earlier = isServed ? try? keepBeside() : nil
            do throws(SystemCallError) {
                try new.move(to: self)
            } catch {
                earlier?.remove()
                throw error
            }
        }
    }

    /// Lets no new client come to the socket with this identity. If it has the path, the newest of the earlier sockets that
    /// are in use gets the path. If there is none, the path is removed.
    package func release(_ identity: FileIdentity) {
        try? exclusively { _ throws(SystemCallError) in
            for file in filesBeside() where file.identity == identity { file.remove() }
            guard self.identity == identity else { return }
            for file in filesBeside().reversed() where hasBound(file) {
                if (try? file.move(to: self)) != nil { return }
            }
            remove()
        }
    }

    /// Removes the names beside the path that a killed process has left: sockets of this user on which no process listens.
    package func removeUnusedNames() {
        guard !filesBeside().isEmpty else { return }
        try? exclusively { isLocked throws(SystemCallError) in
            // Without the lock it may be a socket of a process that is about to listen.
            guard isLocked else { return }
            for file in filesBeside() where (try? file.occupant()) == .unusedSocket { file.remove() }
        }
    }

    /// Changes the files at and beside the path while no other process of ours does that (flock(2) of the directory).
    ///
    /// - Parameter body: gets `false` if there is no lock: the directory cannot be read, or another program has locked it for
    ///   a second.
    func exclusively<Value>(
        _ body: (_ isLocked: Bool) throws(SystemCallError) -> Value
    ) throws(SystemCallError) -> Value {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return try body(false) }
        defer { Glibc.close(descriptor) }
        return try body(Self.lock(descriptor))
    }

    private static func lock(_ descriptor: Int32) -> Bool {
        for _ in 0..<100 {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return true }
            guard errno == EWOULDBLOCK else { return false }
            poll(nil, 0, 10)
        }
        return false
    }

    // MARK: Names

    /// The path up to its last slash.
    private var prefix: Substring { path[..<(path.lastIndex(of: "/").map(path.index(after:)) ?? path.startIndex)] }
    private var name: Substring { path[prefix.endIndex...] }
    private var directory: String { prefix.isEmpty ? "." : String(prefix) }

    /// The sockets of this user that have a name of `withUnusedName`, the newest last.
    private func filesBeside() -> [UnixSocketFile] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var files: [(boundAt: timespec, file: UnixSocketFile)] = []
        while let entry = readdir(stream) {
            let other = withUnsafeBytes(of: &entry.pointee.d_name) { octets in
                String(decoding: octets.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard isBeside(other) else { continue }
            let file = UnixSocketFile(path: prefix + other)
            var status = stat()
            guard lstat(file.path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK, status.st_uid == geteuid()
            else { continue }
            // Only bind(2) sets it.
            files.append((status.st_mtim, file))
        }
        return files.sorted { ($0.boundAt.tv_sec, $0.boundAt.tv_nsec) < ($1.boundAt.tv_sec, $1.boundAt.tv_nsec) }
            .map(\.file)
    }

    /// Whether a name is that of this file with a suffix of `temporaryName`.
    private func isBeside(_ other: some StringProtocol) -> Bool {
        let suffix = other.utf8.dropFirst(name.utf8.count)
        return other.utf8.starts(with: name.utf8) && suffix.count == Self.temporarySuffixLength
            && suffix.first == UInt8(ascii: ".") && suffix.dropFirst().allSatisfy(Self.temporaryCharacters.contains)
    }

    /// Whether a process listens on the socket of this file, and has bound it for this path. The configuration may have
    /// another path that looks like a second name of this one.
    private func hasBound(_ file: UnixSocketFile) -> Bool {
        guard let bound = file.boundPath else { return false }
        return isBeside(UnixSocketFile(path: bound).name)
    }
}
