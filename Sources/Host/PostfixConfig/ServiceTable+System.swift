import Glibc
import PostfixTable

extension ServiceTable {
    /// The TCP services of this host with names and aliases, as getservbyname(3) finds them for Postfix.
    ///
    /// Reads /etc/services or the sources of nsswitch.conf, and blocks meanwhile. Always contains the well-known names.
    package static func system() -> ServiceTable {
        var ports: [String: UInt16] = [:]
        var entry = servent()
        var found: UnsafeMutablePointer<servent>?
        var buffer = [CChar](repeating: 0, count: 8_192)
        setservent(1)
        defer { endservent() }
        while getservent_r(&entry, &buffer, buffer.count, &found) == 0, let service = found?.pointee {
            guard let kind = service.s_proto, String(cString: kind) == "tcp" else { continue }
            let port = UInt16(bigEndian: UInt16(truncatingIfNeeded: service.s_port))
            for name in names(of: service) where ports[name] == nil { ports[name] = port }
        }
        return ServiceTable(ports).merged(with: .wellKnown)
    }

    private static func names(of service: servent) -> [String] {
        var names = service.s_name.map { [String(cString: $0)] } ?? []
        var alias = service.s_aliases
        while let pointer = alias, let name = pointer.pointee {
            names.append(String(cString: name))
            alias = pointer + 1
        }
        return names
    }
}
