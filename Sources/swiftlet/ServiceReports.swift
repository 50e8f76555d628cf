import LinuxSystem
import Logging

/// Keeps the service manager told, if one started this program and asked.
struct ServiceReports: Sendable {
    private let manager: ServiceManager?
    private let logger: Logger

    init(logger: Logger) {
        manager = .current()
        self.logger = logger
    }

    func ready(_ status: String) { tell([.ready, .status(status)]) }

    func stopping() { tell([.stopping]) }

    /// Says that this process is not stuck, until cancelled. It is said from the threads that all the work is done on: when
    /// those are blocked, the watchdog hears nothing.
    func beat() async {
        guard let period = manager?.watchdog else { return }
        while (try? await Task.sleep(for: period / 3)) != nil { tell([.alive]) }  // Only cancellation ends a sleep early.
    }

    private func tell(_ messages: [ServiceManager.Message]) {
        do {
            try manager?.tell(messages)
        } catch {
            // The work goes on; if the manager really hears nothing, it will act.
            logger.warning("\(error)")
        }
    }
}
