import ArgumentParser
import BlockingCalls
import ControlPlane
import FoundationEssentials
import Glibc
import LinuxSystem
import Logging

/// API server, storage, scheduler and controllers. Never as root: started as root, it makes its certificates and then
/// becomes an unprivileged user.
struct ControlPlaneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "control-plane", abstract: "Run the API server, the scheduler and the controllers.")

    @OptionGroup var directories: Directories
    @OptionGroup var options: ControlPlaneOptions
    @OptionGroup var dns: DNSOptions
    @OptionGroup var logs: LogOptions

    @Option(name: .customLong("cluster-signing-key-file"), help: "The key of the cluster's authority, to sign the certificates of nodes that join; without it another process has to.")
    var signingKeyFile: String?

    @Flag(help: ArgumentHelp("End when stdin ends, and say 'ready' on stdout: for the agent that starts it.", visibility: .hidden))
    var supervised = false

    func run() async throws {
        let logger = try logs.make("control-plane")
        if geteuid() == 0 {
            try becomeUnprivileged()
        } else {
            try Preflight.reachable(directories.dataDir, by: .current)
        }
        var configuration = ControlPlaneConfiguration(
            directory: directories.dataDir + "/control-plane", bindAddress: options.bindAddress, port: options.apiPort,
            advertiseAddress: options.advertiseAddress ?? NodeAddress.detect(), serviceRange: options.serviceCIDR, logger: logger)
        configuration.clusterDNS = dns.clusterDNS
        configuration.dnsPort = dns.dnsPort
        configuration.clusterDomain = dns.clusterDomain
        configuration.clusterRange = options.clusterCIDR
        configuration.signingKeyFile = signingKeyFile
        configuration.signedLifetime = Int(try options.lifetime())
        let (isSupervised, served, service) = (supervised, configuration, ServiceReports(logger: logger))
        try await Interrupts.cancelling(stopping: service.stopping) {
            async let _ = service.beat()
            do {
                try await Self.serve(served, isSupervised: isSupervised, service)
            } catch is CancellationError {
                return
            } catch {
                throw Failure("the control plane cannot start: \(error)")
            }
        }
    }

    private static func serve(_ configuration: ControlPlaneConfiguration, isSupervised: Bool, _ service: ServiceReports) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await ControlPlane.run(configuration) {
                    if isSupervised {
                        FileOutput.standardOutput("ready\n")
                        // The agent reads to the end of the pipe: stdout is closed by what takes its place.
                        dup2(2, 1)
                    } else {
                        configuration.logger.notice("serving on port \(configuration.port)")
                        service.ready("the API is served on port \(configuration.port)")
                    }
                }
            }
            if isSupervised {
                // The agent alone holds the other end: its input ends when the agent does, however it ends.
                let ended = try standardInputEnd()
                group.addTask { for await _ in ended {} }
            }
            try await group.next()
            group.cancelAll()
        }
    }

    /// Finishes when stdin ends. A read cannot be cancelled: nobody waits for its thread, which ends with the process.
    private static func standardInputEnd() throws -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream<Void>.makeStream()
        try OwnThread("stdin") {
            var byte: UInt8 = 0
            while Glibc.read(0, &byte, 1) > 0 {}
            continuation.finish()
        }.detach()
        return stream
    }

    private func becomeUnprivileged() throws {
        let user = try Account.named(options.user)
        try Preflight.reachable(directories.dataDir, by: user)
        if !supervised {
            try Preflight.directory(directories.dataDir, mode: 0o711)
            let pki = try options.pki(directories, user: user, nodeAddress: options.advertiseAddress ?? NodeAddress.detect())
            try pki.ensure(node: nil, nodeAddresses: [], now: Date())
        }
        guard setgroups(0, nil) == 0, setgid(user.gid) == 0, setuid(user.uid) == 0 else {
            throw SystemError(operation: "become user \(options.user)", errno: errno)
        }
    }
}

extension ControlPlaneOptions {
    func pki(_ directories: Directories, user: Account, nodeAddress: String) throws -> ClusterPKI {
        let name = try HostName.read()
        guard let serviceAddress = KubernetesService.firstAddress(of: serviceCIDR) else {
            throw Failure("expected --service-cidr to be a range such as 10.96.0.0/16, found '\(serviceCIDR)'")
        }
        var pki = ClusterPKI(
            dataDirectory: directories.dataDir, controlPlaneOwner: Owner(uid: user.uid, gid: user.gid), server: "https://\(nodeAddress):\(apiPort)",
            serverNames: [name], serverAddresses: [nodeAddress, serviceAddress])
        pki.leafLifetime = try lifetime()
        return pki
    }

    /// In seconds.
    func lifetime() throws -> Double {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let unit = certificateLifetime.last.flatMap({ units[$0] }), let number = UInt32(certificateLifetime.dropLast()), number > 0 else {
            throw Failure("expected --certificate-lifetime to be a number and d, h, m or s, such as 365d, found '\(certificateLifetime)'")
        }
        return Double(number) * unit
    }
}

extension LogOptions {
    func make(_ label: String) throws -> Logger {
        guard let level = Logger.Level(rawValue: logLevel) else {
            throw Failure("expected --log-level to be one of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")), found '\(logLevel)'")
        }
        var logger = Logger(label: label) { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = level
        return logger
    }
}
