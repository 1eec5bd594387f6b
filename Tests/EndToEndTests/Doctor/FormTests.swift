import Foundation
import TestSupport
import Testing

extension EndToEnd.Doctor {
    /// A way to run the bridge that README describes.
    enum Form: String, CaseIterable, Sendable {
        case tcp = "by TCP, as with make run and the package"
        case tcpTable = "by tcp_table"
        case socket = "by a unix socket in the queue directory that the daemon makes"
        case unitSocket = "by a unix socket that systemd holds"
        case unitPort = "by a TCP port that systemd holds"
        case container = "in a container without Postfix"
        case memory = "without commands"

        /// Name and socket that the service manager passes; `nil`: the daemon opens its own.
        func passed(_ patient: Patient) throws -> Int32? {
            switch self {
            case .unitSocket:
                let descriptor = try bindUnixSocket(at: patient.socket)
                guard listen(descriptor, 64) == 0 else { throw LabFailure("cannot listen on \(patient.socket)") }
                let group = getgrnam("postfix")?.pointee.gr_gid ?? 0
                guard chown(patient.socket, 0, group) == 0, chmod(patient.socket, 0o660) == 0 else {
                    throw LabFailure("cannot give \(patient.socket) away")
                }
                return try Supervisor.held(descriptor)
            case .unitPort: return try Supervisor.listening(port: Patient.socketmap)
            case .tcp, .tcpTable, .socket, .container, .memory: return nil
            }
        }

        func prepare(_ patient: inout Patient) {
            let inet = "socketmap:inet:127.0.0.1:\(Patient.socketmap):postfix"
            let socketmap: String
            switch self {
            case .tcp, .memory:
                socketmap = "127.0.0.1:\(Patient.socketmap)"
                patient.main["smtp_tls_policy_maps"] = inet
            case .tcpTable:
                socketmap = "127.0.0.1:\(Patient.socketmap)"
                patient.main["smtp_tls_policy_maps"] = "tcp:127.0.0.1:\(Patient.tcpTable)"
            case .socket, .container:
                socketmap = "unix:\(patient.socket)"
            case .unitSocket: socketmap = "systemd:socketmap"
            case .unitPort:
                socketmap = "systemd:socketmap"
                patient.main["smtp_tls_policy_maps"] = inet
            }
            patient.bridge["listen"] =
                "{socketmap: [\"\(socketmap)\"], tcp-table: [127.0.0.1:\(Patient.tcpTable)], socket-group: postfix}"
            if self == .memory { patient.bridge["admin"] = "{socket: \"\"}" }
        }
    }

    @Suite struct Forms {
        /// Writes the files, and starts the daemon as a service manager does.
        private func started(_ form: Form, _ patient: Patient) async throws -> (ChildProcess, Int32?) {
            var files = patient
            files.isRunning = false
            _ = try await files.admitted()
            let passed = try form.passed(patient)
            let yaml = patient.bridge.map { "\($0.key): \($0.value)\n" }.joined()
            let supervisor = try Supervisor(in: patient.directory + "/manager")
            let daemon = try supervisor.start(
                yaml, passing: passed.map { [("socketmap", $0)] } ?? [],
                environment: ["MAIL_CONFIG": patient.configuration])
            try await supervisor.eventuallyHears("READY=1")
            let hasCommands = form != .memory
            _ = try await eventually("the cache and the admin socket are there") {
                let wanted = [patient.cache + "-wal"] + (hasCommands ? [patient.adminSocket] : [])
                return wanted.allSatisfy(FileManager.default.fileExists(atPath:)) ? true : nil
            }
            return (daemon, passed)
        }

        @Test(arguments: Form.allCases)
        func `a healthy host has nothing but ok and skip`(form: Form) async throws {
            var patient = try await Lab.running.patient()
            form.prepare(&patient)
            let (daemon, passed) = try await started(form, patient)
            defer { if let passed { close(passed) } }
            let diagnosis: Diagnosis
            if form == .container {
                let hidden =
                    "mount --bind /dev/null /usr/sbin/postconf && mount -t tmpfs none /etc/postfix && exec \"$@\""
                diagnosis = try await patient.diagnosed(
                    by: ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", hidden, "sh"],
                    ["--domain", Patient.domain])
            } else {
                diagnosis = try await patient.diagnosed()
            }
            let others = diagnosis.findings.filter { !["ok", "skip"].contains($0.severity) }
            #expect(others.isEmpty, "\(others)")
            #expect(diagnosis.of("postfix").map(\.severity) == [form == .container ? "skip" : "ok"])
            #expect(diagnosis.of("map-socket").map(\.severity) == (form == .container ? [] : ["ok"]))
            #expect(diagnosis.of("daemon-settings").map(\.severity) == [form == .memory ? "skip" : "ok"])
            #expect(try await daemon.end() == 0, "\(daemon.log.text())")
        }

        @Test func `a daemon whose main.cf gets DANE follows within 5 s, with one line`() async throws {
            var patient = try await Lab.running.patient()
            patient.bridge["dns"] = patient.bridge["dns"]?.replacing("dnssec: \"off\"", with: "dnssec: auto")
            let daemon = try await patient.admitted()
            #expect(try await patient.diagnosed().of("daemon-settings").map(\.severity) == ["ok"])
            patient.main["smtp_dns_support_level"] = "dnssec"
            try patient.rewriteMain()
            _ = try await eventually("the change is followed", within: .seconds(5)) {
                daemon.log.text().contains("notice Postfix settings changed dane=on") ? true : nil
            }
            #expect(daemon.log.lines().count { $0.contains("Postfix settings changed") } == 1)
            let status = try await ChildProcess.run(
                BridgeProcess.binary(), ["status", "--config", patient.directory + "/config.yaml"])
            #expect(status.output.contains(/\nDANE +on\n/), "\(status.output)")
            #expect(try await daemon.stop() == 0)
        }
    }
}
