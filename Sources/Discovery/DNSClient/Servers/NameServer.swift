import Discovery
import Glibc
import LocalSystem
import TextFormats

/// A DNS server: an address, a port, and a scope if the address is link-local.
///
/// Protocol: `ip@port` of unbound.conf(5), plain addresses of resolv.conf(5).
/// Errors: `ParseError` and `FileError`.
/// Not here: whether the server answers (DNSTransport).
package struct NameServer: Hashable, Sendable {
    package static let defaultPort: UInt16 = 53

    package let address: IPAddress
    /// The zone of RFC 4007 §11: `eth0` in `fe80::1%eth0`.
    package let scope: String?
    package let port: UInt16

    package init(address: IPAddress, scope: String? = nil, port: UInt16 = NameServer.defaultPort) {
        self.address = address
        self.scope = scope
        self.port = port
    }

    /// Parses `ip` or `ip@port`. An IPv6 address may have brackets and a scope.
    package init(_ text: String) throws(ParseError) {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        var host = parts[0]
        if host.first == "[", host.last == "]", host.contains(":") { host = host.dropFirst().dropLast() }
        let scoped = host.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(scoped[0]) else { throw ParseError(text: text, expected: .address) }
        self.address = address
        if scoped.count == 2 {
            // Allow the characters of interface names and numbers only, because the scope goes into a configuration file.
            guard address.isIPv6, !scoped[1].isEmpty, scoped[1].utf8.allSatisfy(Self.isScopeByte)
            else { throw ParseError(text: text, expected: .address) }
            scope = String(scoped[1])
        } else {
            scope = nil
        }
        guard parts.count == 2 else {
            port = Self.defaultPort
            return
        }
        guard parts[1].utf8.allSatisfy(\.isDigit), let port = UInt16(parts[1]), port > 0
        else { throw ParseError(text: text, expected: .port) }
        self.port = port
    }

    private static func isScopeByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x3A, 0x5F: true  // - . : _
        default: false
        }
    }
}

extension NameServer: CustomStringConvertible {
    /// `ip`, or `ip@port` if the port is not 53. libunbound accepts this form.
    package var description: String {
        let host = scope.map { "\(address)%\($0)" } ?? "\(address)"
        return port == Self.defaultPort ? host : "\(host)@\(port)"
    }
}

extension NameServer {
    /// The text is not a server.
    package struct ParseError: Error, Equatable, Sendable, CustomStringConvertible {
        package enum Expected: String, Sendable {
            case address = "an IP address (192.0.2.1, 2001:db8::1, fe80::1%eth0), optionally with @port"
            case port = "a port from 1 to 65535 after the @"
        }

        package let text: String
        package let expected: Expected

        package init(text: String, expected: Expected) {
            self.text = text
            self.expected = expected
        }

        package var description: String { "name server \"\(text)\": expected \(expected.rawValue)" }
    }

    /// resolv.conf(5) cannot be read.
    package struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
        package let path: String
        /// errno(3).
        package let code: Int32

        package init(path: String, code: Int32) {
            self.path = path
            self.code = code
        }

        package var description: String {
            "\(path): \(String(cString: strerror(code))); expected a readable resolv.conf(5), or DNS servers in dns.servers"
        }
    }

    /// Parses the `nameserver` lines of resolv.conf(5) in their order. Without any, the server is 127.0.0.1.
    ///
    /// Like glibc, it ignores malformed addresses and duplicates.
    package static func system(resolvConf text: String) -> [NameServer] {
        let servers = listedServers(in: text)
        if servers.isEmpty, let local = IPAddress(octets: [127, 0, 0, 1]) { return [NameServer(address: local)] }
        return servers
    }

    private static func listedServers(in text: String) -> [NameServer] {
        var servers: [NameServer] = []
        for line in text.split(whereSeparator: \.isNewline) {
            guard line.hasPrefix("nameserver") else { continue }
            let words = line.split { $0 == " " || $0 == "\t" }
            guard words.count >= 2, words[0] == "nameserver", let server = try? NameServer(String(words[1])),
                !servers.contains(server)
            else { continue }
            servers.append(server)
        }
        return servers
    }

    /// Reads the servers in `path`.
    package static func system(path: String = systemPath) throws(FileError) -> [NameServer] {
        system(resolvConf: try text(of: path))
    }

    /// Like `system(path:)`, but a missing file counts as empty, as in resolver(3). At boot the file may come later.
    package static func systemOrLocalHost(path: String = systemPath) throws(FileError) -> [NameServer] {
        do throws(FileError) {
            return try system(path: path)
        } catch {
            guard error.code == ENOENT else { throw error }
            return system(resolvConf: "")
        }
    }

    /// Whether `path` is missing or has no server, so that 127.0.0.1 is the server.
    package static func listsNoServers(path: String = systemPath) -> Bool {
        do throws(FileError) {
            return listedServers(in: try text(of: path)).isEmpty
        } catch {
            return error.code == ENOENT
        }
    }

    package static let systemPath = "/etc/resolv.conf"

    private static func text(of path: String) throws(FileError) -> String {
        // glibc stops at three servers, so it does not need more of the file either. A larger file is a mistake.
        let bytes: [UInt8]
        do {
            bytes = try SmallFile.read(path, limit: 65_536)
        } catch {
            throw FileError(path: path, code: error.code)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
