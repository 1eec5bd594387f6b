import Foundation
import TestSupport
import Testing

extension EndToEnd.Doctor {
    /// The doctor on healthy hosts, one for each deployment of README.
    @Suite struct Forms {
        /// A daemon that runs as a service manager, or the operator, starts it.
        private struct Running {
            let process: ChildProcess
            /// The socket that was passed.
            let passed: Int32?

            /// Ends it, and expects that it ends as it should.
            func end() async throws {
                if let passed { close(passed) }
                #expect(try await process.end() == 0, "\(process.log.text())")
            }
        }

        /// Writes the files, and starts the daemon.
        private func started(
            _ patient: Patient, _ program: [String], environment: [String: String], passing passed: Int32? = nil
        ) async throws -> Running {
            let yaml = patient.bridge.map { "\($0.key): \($0.value)\n" }.joined()
            let supervisor = try Supervisor(in: patient.directory + "/manager")
            let daemon = try supervisor.start(
                yaml, passing: passed.map { [("socketmap", $0)] } ?? [], environment: environment, program: program)
            _ = try await eventually("the daemon is ready") {
                if daemon.status != nil { throw LabFailure("sts-bridge ended: \(daemon.log.text())") }
                return supervisor.heard.contains { $0.contains("READY=1") } ? true : nil
            }
            try await patient.eventuallyHasFiles()
            return Running(process: daemon, passed: passed)
        }

        private func started(_ form: Form, _ patient: Patient) async throws -> Running {
            var files = patient
            files.isRunning = false
            _ = try await files.admitted()
            try form.admit(patient)
            return try await started(
                patient, form.daemon(Lab.running.openBinary()), environment: form.environment(patient),
                passing: form.passed(patient))
        }

        private func expectHealthy(_ diagnosis: Diagnosis) {
            let others = diagnosis.findings.filter { !["ok", "skip"].contains($0.severity) }
            #expect(others.isEmpty, "\(others)")
        }

        @Test(arguments: Form.allCases)
        func `a healthy host has nothing but ok and skip`(form: Form) async throws {
            let lab = try Lab.running
            var patient = try await lab.patient()
            try form.prepare(&patient)
            let daemon = try await started(form, patient)
            let arguments = form.hasPostfix ? nil : ["--domain", Patient.domain]
            let diagnosis = try await patient.diagnosed(
                by: form.doctor(lab.openBinary()), arguments, environment: form.environment(patient))
            expectHealthy(diagnosis)
            #expect(diagnosis.of("postfix").map(\.severity) == [form.hasPostfix ? "ok" : "skip"])
            #expect(diagnosis.of("map-socket").map(\.severity) == (form.hasPostfix ? ["ok"] : []))
            #expect(diagnosis.of("daemon-settings").map(\.severity) == [form.hasCommands ? "ok" : "skip"])
            #expect(diagnosis.of("cache").map(\.severity) == ["ok"])
            #expect(diagnosis.of("dnssec-signed").first?.meaning.hasPrefix("DANE is not used: ") == true)
            try await daemon.end()
        }

        @Test func `what root orders is kept in files of the daemon's user`() async throws {
            let lab = try Lab.running
            let form = Form.package
            var patient = try await lab.patient()
            try form.prepare(&patient)
            func order(_ arguments: String...) async throws -> String {
                let configuration = ["--config", patient.directory + "/config.yaml"]
                let (status, output) = try await ChildProcess.run(
                    BridgeProcess.binary(), arguments + configuration)
                #expect(status == 0, "\(arguments): \(output)")
                return output
            }
            let daemon = try await started(form, patient)
            _ = try await SocketmapClient.ask(Patient.domain, port: Patient.socketmap)
            _ = try await order("exempt", "add", "exempted.example", "--reason", "test")
            _ = try await order("pin", "add", "pinned.example", "--reason", "test")
            _ = try await order("cache", "refresh", Patient.domain)
            _ = try await order("cache", "forget", Patient.domain)
            _ = try await order("observe", "on")
            _ = try await order("observe", "off")
            _ = try await order("reload")
            _ = try await order("cache", "export")
            let directory = (patient.cache as NSString).deletingLastPathComponent
            for file in try FileManager.default.contentsOfDirectory(atPath: directory) {
                let attributes = try FileManager.default.attributesOfItem(atPath: directory + "/" + file)
                #expect(attributes[.ownerAccountID] as? Int == Int(Form.user.id), "\(file)")
            }
            try await daemon.end()
            // The next daemon of that user reads and writes them.
            let next = try await started(patient, form.daemon(lab.openBinary()), environment: form.environment(patient))
            #expect(try await order("pin", "list").contains("pinned.example"))
            _ = try await order("pin", "remove", "pinned.example")
            try await next.end()
        }

        /// Who may see neither the admin socket nor the daemon's descriptors knows no place of systemd's sockets.
        @Test(arguments: [true, false])
        func `a systemd socket whose place is unknown is no failure`(mayConnect: Bool) async throws {
            let lab = try Lab.running
            let form = Form.unitSocketWithoutCommands
            var patient = try await lab.patient()
            try form.prepare(&patient)
            let daemon = try await started(form, patient)
            let groups = mayConnect ? "--groups=\(try Form.postfix)" : "--clear-groups"
            let nobody = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", groups, try lab.openBinary()]
            let diagnosis = try await patient.diagnosed(by: nobody)
            #expect(diagnosis.worst == "unknown", "\(diagnosis.findings)")
            #expect(diagnosis.of("policy-maps").map(\.severity) == [mayConnect ? "ok" : "unknown"])
            #expect(diagnosis.of("map-socket").map(\.severity) == (mayConnect ? ["ok"] : []))
            try await daemon.end()
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

    /// The same where Postfix does DANE, on an Internet with DNSSEC.
    @Suite(.onSignedInternet) struct DANEForms {
        /// Both ask a validating resolver, as README wants it for DANE.
        private func withResolver(_ file: String, _ binary: String) -> [String] {
            [
                "/usr/bin/unshare", "--mount", "/bin/sh", "-c", "mount --bind \(file) /etc/resolv.conf && exec \"$@\"",
                "sh", binary,
            ]
        }

        @Test(arguments: [("may", "ok"), ("dane", "ok"), ("encrypt", "skip")])
        func `a healthy host with DANE has nothing but ok and skip`(level: String, insecureMX: String) async throws {
            let world = try SignedInternet.running
            var patient = try await world.lab.patient()
            try await world.publish(LabDomain(Patient.domain, policy: Policy.enforce()))
            patient.main["smtp_tls_security_level"] = level
            patient.main["smtp_dns_support_level"] = "dnssec"
            patient.main["smtp_tls_dane_insecure_mx_policy"] = "dane"
            patient.bridge["dns"] = "{timeout: 2s, trust-anchor-file: \(world.trustAnchorFile)}"
            let resolver = world.sender.instance.configuration + "/resolv.conf"
            patient.damage = { patient in
                let copy = patient.queue + "/etc/resolv.conf"
                try FileManager.default.removeItem(atPath: copy)
                try FileManager.default.copyItem(atPath: resolver, toPath: copy)
            }
            var files = patient
            files.isRunning = false
            _ = try await files.admitted()
            let program = withResolver(resolver, try BridgeProcess.binary())
            let daemon = try BridgeProcess(
                in: patient.directory, configuration: patient.bridge.map { "\($0.key): \($0.value)\n" }.joined(),
                ready: Patient.tcpTable, environment: ["MAIL_CONFIG": patient.configuration], program: program)
            try await daemon.start()
            try await patient.eventuallyHasFiles()
            let names = ["--signed-name", "signed", "--unsigned-name", "example", "--bogus-name", "any.bogus"]
            let diagnosis = try await patient.diagnosed(by: program, patient.arguments + names)
            let others = diagnosis.findings.filter { !["ok", "skip"].contains($0.severity) }
            #expect(others.isEmpty, "\(others)")
            #expect(diagnosis.of("dane-insecure-mx").map(\.severity) == [insecureMX])
            #expect(diagnosis.of("dns-support").map(\.severity) == ["ok"])
            #expect(diagnosis.of("daemon-settings").first?.meaning.contains("DANE on") == true)
            #expect(diagnosis.of("postfix-resolver").first?.meaning.contains("which validate") == true)
            #expect(try await daemon.stop() == 0)
        }
    }
}
