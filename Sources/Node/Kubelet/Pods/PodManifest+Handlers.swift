internal import KubeAPI
internal import KubeTypes

// Probes and hooks of the API, with names of ports resolved and defaults filled in.

extension Container {
    var probes: [ProbeSpec.Kind: ProbeSpec] {
        var result: [ProbeSpec.Kind: ProbeSpec] = [:]
        result[.startup] = startupProbe.flatMap { ProbeSpec($0, self) }
        result[.liveness] = livenessProbe.flatMap { ProbeSpec($0, self) }
        result[.readiness] = readinessProbe.flatMap { ProbeSpec($0, self) }
        return result
    }

    /// A port by number, or by the name that the container gave it; 0, which no one listens on, if there is none.
    func port(_ reference: IntOrString) -> Int {
        switch reference {
        case .int(let number): number
        case .string(let name): ports.first { $0.name == name }.map { Int($0.containerPort) } ?? Int(name) ?? 0
        }
    }
}

extension ProbeSpec {
    init?(_ probe: Probe, _ container: Container) {
        if let exec = probe.exec {
            self.init(check: .exec(command: exec.command))
        } else if let get = probe.httpGet {
            self.init(
                check: .http(
                    scheme: get.scheme ?? "HTTP", host: get.host.flatMap { $0.isEmpty ? nil : $0 }, port: container.port(get.port), path: get.path ?? "/",
                    headers: get.httpHeaders.map { Header(name: $0.name, value: $0.value) }))
        } else if let socket = probe.tcpSocket {
            self.init(check: .tcp(host: socket.host.flatMap { $0.isEmpty ? nil : $0 }, port: container.port(socket.port)))
        } else {
            return nil
        }
        initialDelay = .seconds(probe.initialDelaySeconds ?? 0)
        period = .seconds(max(1, probe.periodSeconds ?? 10))
        timeout = .seconds(max(1, probe.timeoutSeconds ?? 1))
        successThreshold = max(1, probe.successThreshold.map { Int($0) } ?? 1)
        failureThreshold = max(1, probe.failureThreshold.map { Int($0) } ?? 3)
        terminationGrace = probe.terminationGracePeriodSeconds.map { .seconds($0) }
    }
}

extension PodManifest.Hooks {
    init(_ container: Container) {
        postStart = container.lifecycle?.postStart.flatMap { PodManifest.Hook($0, container) }
        preStop = container.lifecycle?.preStop.flatMap { PodManifest.Hook($0, container) }
        stopSignal = container.lifecycle?.stopSignal.flatMap(SignalName.number)
    }
}

extension PodManifest.Hook {
    init?(_ handler: LifecycleHandler, _ container: Container) {
        if let exec = handler.exec {
            self = .exec(exec.command)
        } else if let get = handler.httpGet {
            self = .http(
                scheme: get.scheme ?? "HTTP", host: get.host.flatMap { $0.isEmpty ? nil : $0 }, port: container.port(get.port), path: get.path ?? "/",
                headers: get.httpHeaders.map { ProbeSpec.Header(name: $0.name, value: $0.value) })
        } else if let sleep = handler.sleep {
            self = .sleep(.seconds(sleep.seconds))
        } else {
            return nil
        }
    }
}

/// Signals by the names that the API uses.
enum SignalName {
    private static let names = [
        "SIGHUP": 1, "SIGINT": 2, "SIGQUIT": 3, "SIGILL": 4, "SIGTRAP": 5, "SIGABRT": 6, "SIGBUS": 7, "SIGFPE": 8, "SIGKILL": 9, "SIGUSR1": 10,
        "SIGSEGV": 11, "SIGUSR2": 12, "SIGPIPE": 13, "SIGALRM": 14, "SIGTERM": 15, "SIGSTKFLT": 16, "SIGCHLD": 17, "SIGCONT": 18, "SIGSTOP": 19,
        "SIGTSTP": 20, "SIGTTIN": 21, "SIGTTOU": 22, "SIGURG": 23, "SIGXCPU": 24, "SIGXFSZ": 25, "SIGVTALRM": 26, "SIGPROF": 27, "SIGWINCH": 28,
        "SIGIO": 29, "SIGPWR": 30, "SIGSYS": 31, "SIGRTMIN": 34, "SIGRTMAX": 64,
    ]

    static func number(_ name: String) -> Int32? {
        if let number = names[name] { return Int32(number) }
        if name.hasPrefix("SIGRTMIN+"), let offset = Int32(name.dropFirst(9)), (1...15).contains(offset) { return 34 + offset }
        if name.hasPrefix("SIGRTMAX-"), let offset = Int32(name.dropFirst(9)), (1...14).contains(offset) { return 64 - offset }
        return nil
    }
}
