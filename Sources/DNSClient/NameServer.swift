import Discovery
import Glibc

/// One upstream server: an address, for link-local ones with a scope, and a port.
///
/// Protocol: unbound.conf(5) writes `ip@port`, resolv.conf(5) plain addresses.
/// Concurrency: a value.
/// Fails by: `Malformed` and `Unreadable`, which say what was expected.
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

    /// Reads `ip` or `ip@port`; an IPv6 address may stand in brackets and may have a scope.
    package init(_ text: String) throws(Malformed) {
        let parts = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        var host = parts[0]
        if host.first == "[", host.last == "]", host.contains(":") { host = host.dropFirst().dropLast() }
        let scoped = host.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(scoped[0]) else { throw Malformed(text: text, expected: .address) }
        self.address = address
        if scoped.count == 2 {
            // It goes into a configuration file: nothing but what an interface name or number is made of.
            guard address.isIPv6, !scoped[1].isEmpty, scoped[1].utf8.allSatisfy(Self.isScopeByte)
            else { throw Malformed(text: text, expected: .address) }
            scope = String(scoped[1])
        } else {
            scope = nil
        }
        guard parts.count == 2 else {
            port = Self.defaultPort
            return
        }
        guard parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(parts[1]), port > 0
        else { throw Malformed(text: text, expected: .port) }
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
    /// `ip`, or `ip@port` where the port is not 53; the form that libunbound reads.
    package var description: String {
        let host = scope.map { "\(address)%\($0)" } ?? "\(address)"
        return port == Self.defaultPort ? host : "\(host)@\(port)"
    }
}

extension NameServer {
    /// A server that cannot be read, with what was expected.
    package struct Malformed: Error, Equatable, Sendable, CustomStringConvertible {
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

    /// resolv.conf(5) cannot be read; the reason is strerror(3)'s.
    package struct Unreadable: Error, Equatable, Sendable, CustomStringConvertible {
        package let path: String
        package let code: Int32

        package init(path: String, code: Int32) {
            self.path = path
            self.code = code
        }

        package var description: String {
            "\(path): \(String(cString: strerror(code))); expected a readable resolv.conf(5), or DNS servers in dns.servers"
        }
    }

    /// The `nameserver` lines of resolv.conf(5), in their order; 127.0.0.1 when there are none.
    ///
    /// As in glibc a line whose address cannot be read is passed over, and so are duplicates.
    package static func system(resolvConf text: String) -> [NameServer] {
        let servers = listed(in: text)
        if servers.isEmpty, let local = IPAddress(octets: [127, 0, 0, 1]) { return [NameServer(address: local)] }
        return servers
    }

    private static func listed(in text: String) -> [NameServer] {
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

    /// The system's servers, as `path` lists them now.
    package static func system(path: String = systemPath) throws(Unreadable) -> [NameServer] {
        system(resolvConf: try text(of: path))
    }

    /// The same, but a file that is not there lists none, as for resolver(3): at boot it may come later.
    package static func systemOrLocalHost(path: String = systemPath) throws(Unreadable) -> [NameServer] {
        do throws(Unreadable) {
            return try system(path: path)
        } catch {
            guard error.code == ENOENT else { throw error }
            return system(resolvConf: "")
        }
    }

    /// Whether `path` lists no server or is not there, so that 127.0.0.1 is asked.
    package static func areNoneListed(path: String = systemPath) -> Bool {
        do throws(Unreadable) {
            return listed(in: try text(of: path)).isEmpty
        } catch {
            return error.code == ENOENT
        }
    }

    package static let systemPath = "/etc/resolv.conf"

    private static func text(of path: String) throws(Unreadable) -> String {
        // glibc reads no more of the file either way: it stops at three servers. A larger file is a mistake.
        let bytes: [UInt8]
        do {
            bytes = try SmallFile.read(path, limit: 65_536)
        } catch {
            throw Unreadable(path: path, code: error.code)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
