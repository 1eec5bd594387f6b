import Glibc
import LocalSystem
import Testing

@Suite struct UnixAddressTests {
    /// The octets that a system call would get.
    private func octets(_ address: UnixAddress) -> [UInt8] {
        address.withPointer { pointer, length in
            Array(UnsafeRawBufferPointer(start: pointer, count: Int(length)))
        }
    }

    private let family = withUnsafeBytes(of: sa_family_t(AF_UNIX)) { Array($0) }

    @Test func `a path ends with a NUL`() throws {
        let address = try #require(UnixAddress(path: "/run/a"))
        #expect(octets(address) == family + Array("/run/a\u{0}".utf8))
    }

    @Test func `an abstract name begins with a NUL, and its length ends it`() throws {
        let address = try #require(UnixAddress(abstractName: "name"))
        #expect(octets(address) == family + Array("\u{0}name".utf8))
    }

    @Test func `a path or name that does not fit has no address`() {
        #expect(UnixAddress.maximumLength == MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1)
        let longest = String(repeating: "a", count: UnixAddress.maximumLength)
        #expect(UnixAddress(path: longest).map(octets)?.count == MemoryLayout<sockaddr_un>.size)
        #expect(UnixAddress(path: longest + "a") == nil)
        #expect(UnixAddress(abstractName: String(longest.dropLast())) != nil)
        #expect(UnixAddress(abstractName: longest) == nil)
    }

    @Test func `errno stays as the call left it`() throws {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        let address = try #require(UnixAddress(path: "/no-such-directory-here/socket"))
        #expect(address.withPointer { connect(descriptor, $0, $1) } == -1)
        #expect(errno == ENOENT)
    }
}

@Suite struct ListenAdviceTests {
    @Test func `the text says why an address cannot be used, and what to do`() {
        let text = { (code: Int32, mayBePath: Bool) in
            ListenAdvice.text(for: code, section: "listen", mayBePath: mayBePath)
        }
        #expect(
            text(EADDRINUSE, true)
                == "Address already in use; stop the other process or choose another port under listen")
        #expect(text(EACCES, true) == "Permission denied; a port below 1024 or this directory needs more rights")
        #expect(text(EACCES, false) == "Permission denied; a port below 1024 needs more rights")
        #expect(text(ENOENT, true) == "No such file or directory; create the directory first")
        #expect(text(ENOENT, false) == "No such file or directory")
        #expect(text(EADDRNOTAVAIL, false).hasSuffix("; this host does not have the address"))
        #expect(text(EMFILE, true) == "Too many open files")
    }
}

@Suite struct TCPAddressTests {
    @Test func `an IPv6 address has brackets before the port`() {
        #expect("\(TCPAddress(host: "127.0.0.1", port: 9_461))" == "127.0.0.1:9461")
        #expect("\(TCPAddress(host: "localhost", port: 0))" == "localhost:0")
        #expect("\(TCPAddress(host: "::1", port: 80))" == "[::1]:80")
    }
}
