import Discovery
import Foundation
import LocalSystem
import PostfixConfig

/// The addresses of a process's listening sockets, from proc(5). Shows the passed sockets of a daemon without admin socket.
enum ListeningSockets {
    /// Octets of a table of sockets, enough for some 100,000 sockets.
    private static let maximumTable = 1 << 24

    /// The listening sockets of a process.
    ///
    /// - Returns: `nil` if this user may not see them.
    static func addresses(of process: Int32) -> [TableAddress]? {
        let place = "/proc/\(process)"
        guard let numbers = try? FileManager.default.contentsOfDirectory(atPath: place + "/fd") else { return nil }
        let inodes = numbers.compactMap { number -> Substring? in
            guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(place)/fd/\(number)")
            else { return nil }
            return target.wholeMatch(of: /socket:\[(\d+)\]/)?.1
        }
        // A host with many sockets needs more than one read(2); names may not be UTF-8.
        func text(_ name: String) -> String {
            String(decoding: (try? SmallFile.read("\(place)/net/\(name)", limit: maximumTable)) ?? [], as: UTF8.self)
        }
        let own = Set(inodes.map(String.init))
        let found = unix(text("unix")) + tcp(text("tcp")) + tcp(text("tcp6"))
        return found.filter { own.contains($0.inode) }.map(\.address)
    }

    typealias Found = (address: TableAddress, inode: String)

    /// The listening stream sockets with a path in /proc/net/unix.
    static func unix(_ text: String) -> [Found] {
        text.split(separator: "\n").compactMap { line in
            // Num RefCount Protocol Flags Type St Inode Path; 0x10000 is __SO_ACCEPTCON.
            let words = line.split(separator: " ", maxSplits: 7)
            guard words.count == 8, words[3] == "00010000", words[7].hasPrefix("/") else { return nil }
            return (.unix(path: String(words[7])), String(words[6]))
        }
    }

    /// The listening sockets in /proc/net/tcp and tcp6.
    static func tcp(_ text: String) -> [Found] {
        text.split(separator: "\n").compactMap { line in
            // sl local_address rem_address st … inode, the tenth; 0A is TCP_LISTEN.
            let words = line.split(separator: " ")
            guard words.count >= 10, words[3] == "0A", let address = address(words[1]) else { return nil }
            return (address, String(words[9]))
        }
    }

    /// `0100007F:210D`: words of four octets in the host's order, and the port.
    private static func address(_ text: Substring) -> TableAddress? {
        let parts = text.split(separator: ":")
        guard parts.count == 2, let port = UInt16(parts[1], radix: 16) else { return nil }
        var octets: [UInt8] = []
        var rest = parts[0]
        while !rest.isEmpty {
            guard let word = UInt32(rest.prefix(8), radix: 16) else { return nil }
            withUnsafeBytes(of: word) { octets += $0 }
            rest = rest.dropFirst(8)
        }
        guard let host = IPAddress(octets: octets) else { return nil }
        return .inet(host: "\(host)", port: port)
    }
}
