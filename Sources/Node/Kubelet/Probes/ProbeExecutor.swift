internal import Runtime

/// Carries out one check. Never throws: a check that cannot be made is an outcome.
protocol ProbeExecutor: Sendable {
    /// - Parameter address: the pod's, for checks that name no host.
    func run(_ check: ProbeSpec.Check, timeout: Duration, container: String, address: String) async -> ProbeOutcome
}

/// The kubelet's three kinds of check.
struct ProbeRunner: ProbeExecutor {
    var runtime: any ContainerRuntime
    var http: HTTPProbe

    func run(_ check: ProbeSpec.Check, timeout: Duration, container: String, address: String) async -> ProbeOutcome {
        switch check {
        case .exec(let command):
            await ExecProbe(runtime: runtime).run(command, in: container, timeout: timeout)
        case .http(let scheme, let host, let port, let path, let headers):
            await http.run(scheme: scheme, host: host ?? address, port: port, path: path, headers: headers, timeout: timeout)
        case .tcp(let host, let port):
            await TCPProbe.run(host: host ?? address, port: port, timeout: timeout)
        }
    }
}
