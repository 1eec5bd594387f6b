import Foundation
import TestSupport
import Testing

/// A deployment that the documentation describes, on a healthy host.
enum Form: String, CaseIterable, Sendable {
    case makeRun = "make run, as an ordinary user"
    case package = "the package or make install, by TCP"
    case tcpTable = "by tcp_table"
    case ownSocket = "by a unix socket in the queue directory that the daemon makes"
    case unitSocket = "by a unix socket that systemd holds"
    case unitPort = "by a TCP port that systemd holds"
    case unitSocketWithoutCommands = "by a unix socket that systemd holds, without commands"
    case withoutCommands = "without commands"
    case postfixTLSPol = "coming from postfix-tlspol"
    case before310 = "with postfix/main.cf-3.4-to-3.9"
    case since310 = "with postfix/main.cf-3.10-and-later"
    case container = "in a container without Postfix, as in docker-compose.yml"

    /// Debian's user and group `daemon`, used instead of `sts-bridge`.
    static let user = (id: UInt32(1), name: "daemon")

    fileprivate static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    var hasCommands: Bool { self != .withoutCommands && self != .unitSocketWithoutCommands }
    var hasPostfix: Bool { self != .container }

    private var makesSocket: Bool { self == .ownSocket || self == .container }
    private var isUnitSocket: Bool { self == .unitSocket || self == .unitSocketWithoutCommands }

    /// Writes main.cf and config.yaml of this form.
    func prepare(_ host: inout DoctorFixture) throws {
        let inet = "socketmap:inet:127.0.0.1:\(DoctorFixture.socketmap)"
        var socketmap = "127.0.0.1:\(DoctorFixture.socketmap)"
        switch self {
        case .makeRun, .package, .withoutCommands: host.main["smtp_tls_policy_maps"] = inet + ":postfix"
        case .postfixTLSPol: host.main["smtp_tls_policy_maps"] = inet + ":QUERY"
        case .tcpTable: host.main["smtp_tls_policy_maps"] = "tcp:127.0.0.1:\(DoctorFixture.tcpTable)"
        case .ownSocket, .container: socketmap = "unix:\(host.socket)"
        case .unitSocket, .unitSocketWithoutCommands: socketmap = "systemd:socketmap"
        case .unitPort:
            socketmap = "systemd:socketmap"
            host.main["smtp_tls_policy_maps"] = inet + ":postfix"
        case .before310: try host.take(snippet: "main.cf-3.4-to-3.9")
        case .since310:
            try host.take(snippet: "main.cf-3.10-and-later")
            host.main["mail_version"] = "3.10.5"
        }
        host.bridge["listen"] =
            "{socketmap: [\"\(socketmap)\"], tcp-table: [127.0.0.1:\(DoctorFixture.tcpTable)], socket-group: postfix}"
        if !hasCommands { host.bridge["admin"] = "{socket: \"\"}" }
        if self == .container { host.bridge = [:] }
    }

    /// Gives the daemon's user the same files as the package, `make run` or the image.
    func admit(_ host: DoctorFixture) throws {
        try Self.give(host.directory, mode: 0o755)
        try Self.give((host.cache as NSString).deletingLastPathComponent, mode: 0o750)
        guard makesSocket else { return }
        try Self.give((host.socket as NSString).deletingLastPathComponent, group: try Self.postfix, mode: 0o750)
    }

    private static func give(_ path: String, group: UInt32 = user.id, mode: mode_t) throws {
        guard chown(path, user.id, group) == 0, chmod(path, mode) == 0 else {
            throw TestNetworkError("cannot give \(path) to \(user.name): \(String(cString: strerror(errno)))")
        }
    }

    static var postfix: UInt32 {
        get throws {
            guard let group = getgrnam("postfix")?.pointee.gr_gid else { throw TestNetworkError("no group postfix") }
            return group
        }
    }

    /// The environment of the daemon and of the doctor.
    func environment(_ host: DoctorFixture) throws -> [String: String] {
        guard self == .container else { return ["MAIL_CONFIG": host.configuration] }
        let compose = try String(contentsOf: Self.root.appending(path: "docker-compose.yml"), encoding: .utf8)
        let fromCompose = compose.matches(of: /(STS_BRIDGE_\w+): "?([^"\n]*)/).map { match in
            (String(match.1), String(match.2).replacing(/\$\{\w+:-(.*?)\}/) { $0.1 })
        }
        let ofThisHost = [
            "LISTEN_SOCKETMAP": "unix:\(host.socket)", "LISTEN_TCP_TABLE": "127.0.0.1:\(DoctorFixture.tcpTable)",
            "DNS_SERVERS": KnotServer.address, "FETCH_CA_FILE": host.main["smtp_tls_CAfile"] ?? "system",
            "FETCH_ALLOW_NETWORKS": "127.0.0.0/8", "CACHE_PATH": host.cache, "ADMIN_SOCKET": host.adminSocket,
        ].map { ("STS_BRIDGE_\($0.key)", $0.value) }
        return Dictionary(fromCompose + ofThisHost) { $1 }
    }

    /// The command line of the program for the daemon's user.
    ///
    /// - Parameter binary: a program that every user can run.
    func daemon(_ binary: String) throws -> [String] {
        let groups = makesSocket ? "--groups=\(try Self.postfix)" : "--clear-groups"
        let user = ["/usr/bin/setpriv", "--reuid=\(Self.user.id)", "--regid=\(Self.user.id)", groups, binary]
        guard self == .container else { return user }
        let withoutPostfix =
            "mount --bind /dev/null /usr/sbin/postconf && mount -t tmpfs none /etc/postfix && exec \"$@\""
        return ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", withoutPostfix, "sh"] + user
    }

    /// The command line of the doctor in the documentation.
    func doctor(_ binary: String) throws -> [String] {
        self == .makeRun || self == .container ? try daemon(binary) : [binary]
    }

    /// The socket that the service manager passes; `nil`: the daemon opens its own.
    func passed(_ host: DoctorFixture) throws -> Int32? {
        if self == .unitPort { return try Supervisor.listening(port: DoctorFixture.socketmap) }
        guard isUnitSocket else { return nil }
        let descriptor = try bindUnixSocket(at: host.socket)
        guard listen(descriptor, 64) == 0, chown(host.socket, 0, try Self.postfix) == 0,
            chmod(host.socket, 0o660) == 0
        else { throw TestNetworkError("cannot listen on \(host.socket): \(String(cString: strerror(errno)))") }
        return try Supervisor.moved(descriptor)
    }
}

extension DoctorFixture {
    /// Starts main.cf with a file of postfix/, with the port of this test network.
    fileprivate mutating func take(snippet name: String) throws {
        mainText = try String(contentsOf: Form.root.appending(path: "postfix/\(name)"), encoding: .utf8)
            .replacing("127.0.0.1:8461", with: "127.0.0.1:\(Self.socketmap)")
        for name in ["smtp_tls_policy_maps", "smtp_tls_security_level", "smtp_tls_CAfile"] { main[name] = nil }
    }
}
