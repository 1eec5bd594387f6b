import Foundation
import TestSupport
import Testing

extension EndToEnd.Doctor {
    /// The doctor on healthy hosts, one for each documented deployment.
    @Suite struct Forms {
        /// A daemon that a service manager or the operator has started.
        private struct Running {
            let process: ChildProcess
            /// The passed socket.
            let passed: Int32?

            /// Stops the daemon, and expects a normal exit.
            func end() async throws {
                if let passed { close(passed) }
                #expect(try await process.end() == 0, "\(process.log.text())")
            }
        }

        /// Writes the files, and starts the daemon.
        private func started(
            _ host: DoctorFixture, program: [String], environment: [String: String], passing passed: Int32? = nil
        ) async throws -> Running {
            let yaml = host.bridge.map { "\($0.key): \($0.value)\n" }.joined()
            let supervisor = try Supervisor(in: host.directory + "/manager")
            let daemon = try supervisor.start(
                yaml, passing: passed.map { [("socketmap", $0)] } ?? [], environment: environment, program: program)
            _ = try await eventually("the daemon is ready") {
                if daemon.status != nil { throw TestNetworkError("sts-bridge ended: \(daemon.log.text())") }
                return supervisor.received.contains { $0.contains("READY=1") } ? true : nil
            }
            try await host.eventuallyHasFiles()
            return Running(process: daemon, passed: passed)
        }

        private func started(_ form: Form, on host: DoctorFixture) async throws -> Running {
            var files = host
            files.isRunning = false
            _ = try await files.admitted()
            try form.admit(host)
            return try await started(
                host, program: form.daemon(TestNetwork.running.openBinary()), environment: form.environment(host),
                passing: form.passed(host))
        }

        private func expectHealthy(_ diagnosis: Diagnosis) {
            let others = diagnosis.results.filter { !["ok", "skip"].contains($0.severity) }
            #expect(others.isEmpty, "\(others)")
        }

        @Test(arguments: Form.allCases)
        func `a healthy host has only ok and skip`(form: Form) async throws {
            let network = try TestNetwork.running
            var host = try await network.host()
            try form.prepare(&host)
            let daemon = try await started(form, on: host)
            let arguments = form.hasPostfix ? nil : ["--domain", DoctorFixture.domain]
            let diagnosis = try await host.diagnosed(
                by: form.doctor(network.openBinary()), arguments, environment: form.environment(host))
            expectHealthy(diagnosis)
            #expect(diagnosis.of("postfix").map(\.severity) == [form.hasPostfix ? "ok" : "skip"])
            #expect(diagnosis.of("map-socket").map(\.severity) == (form.hasPostfix ? ["ok"] : []))
            #expect(diagnosis.of("daemon-settings").map(\.severity) == [form.hasCommands ? "ok" : "skip"])
            #expect(diagnosis.of("cache").map(\.severity) == ["ok"])
            #expect(diagnosis.of("dnssec-signed").first?.meaning.hasPrefix("DANE is not used: ") == true)
            try await daemon.end()
        }

        @Test func `overrides that root sets are stored in files of the daemon's user`() async throws {
            let network = try TestNetwork.running
            let form = Form.package
            var host = try await network.host()
            try form.prepare(&host)
            func order(_ arguments: String...) async throws -> String {
                let configuration = ["--config", host.directory + "/config.yaml"]
                let (status, output) = try await ChildProcess.run(
                    BridgeProcess.binary(), arguments: arguments + configuration)
                #expect(status == 0, "\(arguments): \(output)")
                return output
            }
            let daemon = try await started(form, on: host)
            _ = try await SocketmapClient.ask(DoctorFixture.domain, port: DoctorFixture.socketmap)
            _ = try await order("exempt", "add", "exempted.example", "--reason", "test")
            _ = try await order("pin", "add", "pinned.example", "--reason", "test")
            _ = try await order("cache", "refresh", DoctorFixture.domain)
            _ = try await order("cache", "forget", DoctorFixture.domain)
            _ = try await order("observe", "on")
            _ = try await order("observe", "off")
            _ = try await order("reload")
            _ = try await order("cache", "export")
            let directory = (host.cache as NSString).deletingLastPathComponent
            for file in try FileManager.default.contentsOfDirectory(atPath: directory) {
                let attributes = try FileManager.default.attributesOfItem(atPath: directory + "/" + file)
                #expect(attributes[.ownerAccountID] as? Int == Int(Form.user.id), "\(file)")
            }
            try await daemon.end()
            // The next daemon of that user can read and write them.
            let next = try await started(
                host, program: form.daemon(network.openBinary()), environment: form.environment(host))
            #expect(try await order("pin", "list").contains("pinned.example"))
            _ = try await order("pin", "remove", "pinned.example")
            try await next.end()
        }

        /// A user that may use neither the admin socket nor proc(5) does not know the addresses of systemd's sockets.
        @Test(arguments: [true, false])
        func `a systemd socket with an unknown address is no failure`(mayConnect: Bool) async throws {
            let network = try TestNetwork.running
            let form = Form.unitSocketWithoutCommands
            var host = try await network.host()
            try form.prepare(&host)
            let daemon = try await started(form, on: host)
            let groups = mayConnect ? "--groups=\(try Form.postfix)" : "--clear-groups"
            let unprivileged = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", groups, try network.openBinary()]
            let diagnosis = try await host.diagnosed(by: unprivileged)
            #expect(diagnosis.worst == "unknown", "\(diagnosis.results)")
            #expect(diagnosis.of("policy-maps").map(\.severity) == [mayConnect ? "ok" : "unknown"])
            #expect(diagnosis.of("map-socket").map(\.severity) == (mayConnect ? ["ok"] : []))
            try await daemon.end()
        }

        @Test func `a daemon whose main.cf gets DANE follows within 5 s, with one line`() async throws {
            var host = try await TestNetwork.running.host()
            host.bridge["dns"] = host.bridge["dns"]?.replacing("dnssec: \"off\"", with: "dnssec: auto")
            let daemon = try await host.admitted()
            #expect(try await host.diagnosed().of("daemon-settings").map(\.severity) == ["ok"])
            host.main["smtp_dns_support_level"] = "dnssec"
            try host.rewriteMain()
            _ = try await eventually("the change is followed", within: .seconds(5)) {
                daemon.log.text().contains("notice Postfix settings changed dane=on") ? true : nil
            }
            #expect(daemon.log.lines().count { $0.contains("Postfix settings changed") } == 1)
            let status = try await ChildProcess.run(
                BridgeProcess.binary(), arguments: ["status", "--config", host.directory + "/config.yaml"])
            #expect(status.output.contains(/\nDANE +on\n/), "\(status.output)")
            #expect(try await daemon.stop() == 0)
        }
    }

    /// The same with DANE in Postfix, on a network with DNSSEC.
    @Suite(.onSignedInternet) struct DANEForms {
        /// Both use a validating resolver, as DANE requires.
        private func withResolver(_ file: String, binary: String) -> [String] {
            [
                "/usr/bin/unshare", "--mount", "/bin/sh", "-c", "mount --bind \(file) /etc/resolv.conf && exec \"$@\"",
                "sh", binary,
            ]
        }

        @Test(arguments: [("may", "ok"), ("dane", "ok"), ("encrypt", "skip")])
        func `a healthy host with DANE has only ok and skip`(level: String, insecureMX: String) async throws {
            let internet = try SignedInternet.running
            var host = try await internet.network.host()
            try await internet.publish(TestDomain(DoctorFixture.domain, policy: Policy.enforce()))
            host.main["smtp_tls_security_level"] = level
            host.main["smtp_dns_support_level"] = "dnssec"
            host.main["smtp_tls_dane_insecure_mx_policy"] = "dane"
            host.bridge["dns"] = "{timeout: 2s, trust-anchor-file: \(internet.trustAnchorFile)}"
            let resolver = internet.sender.instance.configuration + "/resolv.conf"
            host.damage = { host in
                let copy = host.queue + "/etc/resolv.conf"
                try FileManager.default.removeItem(atPath: copy)
                try FileManager.default.copyItem(atPath: resolver, toPath: copy)
            }
            var files = host
            files.isRunning = false
            _ = try await files.admitted()
            let program = withResolver(resolver, binary: try BridgeProcess.binary())
            let daemon = try BridgeProcess(
                in: host.directory, configuration: host.bridge.map { "\($0.key): \($0.value)\n" }.joined(),
                ready: DoctorFixture.tcpTable, environment: ["MAIL_CONFIG": host.configuration], program: program)
            try await daemon.start()
            try await host.eventuallyHasFiles()
            let names = ["--signed-name", "signed", "--unsigned-name", "example", "--bogus-name", "any.bogus"]
            let diagnosis = try await host.diagnosed(by: program, host.arguments + names)
            let others = diagnosis.results.filter { !["ok", "skip"].contains($0.severity) }
            #expect(others.isEmpty, "\(others)")
            #expect(diagnosis.of("dane-insecure-mx").map(\.severity) == [insecureMX])
            #expect(diagnosis.of("dns-support").map(\.severity) == ["ok"])
            #expect(diagnosis.of("daemon-settings").first?.meaning.contains("DANE on") == true)
            #expect(diagnosis.of("postfix-resolver").first?.meaning.contains("which validate") == true)
            #expect(try await daemon.stop() == 0)
        }
    }
}
